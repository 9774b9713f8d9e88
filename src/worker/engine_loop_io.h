/* engine_loop_io.h: the life of an engine child: `farspan engine --fd N`.
 *
 *   LOAD -> READY, then a round for ever: take frames, compute one step, say what came of it.
 *
 * One thread. Frames are taken between steps, so a cancel waits for at most one step. The step
 * count rises with each step and goes out with every frame; while there is work, STEP frames carry
 * it at most every 50 ms, and within one long computing every 500 ms, so that slow is not taken for
 * hung. With a pace, what a step computed is said only when the machine it stands
 * for would have been done: prefill_ns for each prompt token, then decode_ns once for all streams
 * side by side; the engine's own time is part of it. */
#ifndef WORKER_ENGINE_LOOP_IO_H
#define WORKER_ENGINE_LOOP_IO_H

/* Until QUIT or the parent's end of file: 0; 1: the model could not be loaded (the reason went to
 * the parent as FAIL); 2: a frame was broken. */
int engine_loop_run(int fd);

#endif
