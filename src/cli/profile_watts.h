/* profile_watts.h: what the machine itself says it draws, while something is measured.
 *
 * Two sources: `nvidia-smi` (a child that writes the draw of every GPU four times a second, read on
 * the loop), or else the energy counters of the CPU packages (Linux RAPL, powercap). Neither there,
 * or not readable: watts are not measured, and <why_not> says why; never 0. Both are of the machine
 * that this program runs on: worth something only when the server runs there too.
 *
 *   open -> (begin -> end)* -> close      end: the mean since begin */
#ifndef CLI_PROFILE_WATTS_H
#define CLI_PROFILE_WATTS_H

#include <stdbool.h>
#include <sys/types.h>

#include "net/loop.h"

enum {
    PROFILE_GPUS_MAX = 16,
    PROFILE_PACKAGES_MAX = 16,
    PROFILE_SAMPLES_MIN = 2 /* of a GPU, to be a mean */
};

enum profile_watts_source { PROFILE_WATTS_NONE, PROFILE_WATTS_GPU, PROFILE_WATTS_CPU };

struct profile_gpu {
    double sum_w;
    uint32_t sample_count;
};

struct profile_package {
    char path[256]; /* of energy_uj */
    uint64_t range_uj, begin_uj;
};

struct profile_watts {
    enum profile_watts_source source;
    char why_not[160]; /* with PROFILE_WATTS_NONE */
    int64_t begin_us;
    /* GPUs */
    struct net_loop *loop;
    struct net_watch watch;
    pid_t child; /* 0: none */
    int pidfd;
    char line[128];
    uint32_t line_size;
    uint32_t gpu_count;
    struct profile_gpu gpus[PROFILE_GPUS_MAX]; /* since begin */
    /* packages */
    uint32_t package_count;
    struct profile_package packages[PROFILE_PACKAGES_MAX];
};

struct profile_drawn {
    double all_w; /* of all GPUs, or of all CPU packages */
    double
        accelerator_w; /* mean of the <count> that drew most; of all packages divided by <count> */
};

/* Finds a source: blocks for at most 3 s. Without one it still can be used. <powercap>:
 * "/sys/class/powercap"; tests bring their own. */
void profile_watts_open(struct profile_watts *watts, struct net_loop *loop, const char *powercap);
/* None, because of <why_not>. */
void profile_watts_omit(struct profile_watts *watts, const char *why_not);
void profile_watts_close(struct profile_watts *watts);

const char *profile_watts_source_words(enum profile_watts_source source);

void profile_watts_begin(struct profile_watts *watts);
/* <accelerator_count>: of the replica. False: nothing to say. */
bool profile_watts_end(const struct profile_watts *watts, uint32_t accelerator_count,
                       struct profile_drawn *ret_drawn);

#endif
