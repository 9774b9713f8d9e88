// The official client from npm against a world: what its users rely on. usage: openai_test.mjs BINARY MODULES_FOLDER
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import assert from "node:assert/strict";

const [binary, modules] = process.argv.slice(2);
const require = createRequire(path.join(modules, "node_modules", "x.js"));
const OpenAI = require("openai").default ?? require("openai");
const root = path.resolve(path.dirname(new URL(import.meta.url).pathname), "../..");
const state = mkdtempSync(path.join(tmpdir(), "farspan-test-"));
const base = 31000 + (process.pid % 900);
const up = spawn(binary, ["up", "-f", path.join(root, "examples/three-continents.yaml"), "--json", "--state", state,
    "--port-base", String(base)], { stdio: ["ignore", "pipe", "inherit"] });
const ready = await new Promise((resolve, reject) => {
    createInterface({ input: up.stdout }).once("line", (line) => resolve(JSON.parse(line)));
    up.once("exit", (code) => reject(new Error(`up ended with ${code}`)));
});
const client = new OpenAI({ apiKey: ready.key, baseURL: `${ready.regions[0].gateway}/v1`, maxRetries: 0 });
const messages = [{ role: "user", content: "It was a fine evening, and the ladies" }];

const tests = {
    async "models are listed"() {
        const ids = [];
        for await (const model of client.models.list()) ids.push(model.id);
        assert.ok(ids.includes("chat") && ids.includes("embed"), ids.join());
        assert.equal((await client.models.retrieve("chat")).id, "chat");
    },
    async "a chat is answered with usage"() {
        const answer = await client.chat.completions.create({ model: "chat", messages, max_tokens: 12 });
        assert.equal(answer.object, "chat.completion");
        assert.ok(answer.choices[0].message.content.length > 0);
        assert.equal(answer.choices[0].message.role, "assistant");
        assert.ok(["stop", "length"].includes(answer.choices[0].finish_reason));
        assert.ok(answer.usage.prompt_tokens > 5 && answer.usage.completion_tokens <= 12);
        assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
    },
    async "a stream comes in pieces and ends with usage"() {
        const stream = await client.chat.completions.create({
            model: "chat", messages, max_tokens: 16, stream: true, stream_options: { include_usage: true } });
        let text = "", pieces = 0, usage = null, reason = null;
        for await (const chunk of stream) {
            if (chunk.choices[0]?.delta?.content) { text += chunk.choices[0].delta.content; pieces++; }
            reason = chunk.choices[0]?.finish_reason ?? reason;
            usage = chunk.usage ?? usage;
        }
        assert.ok(pieces > 3 && text.length > 3, `${pieces} pieces`);
        assert.ok(reason === "stop" || reason === "length");
        assert.ok(usage.completion_tokens > 0 && usage.completion_tokens <= 16);
    },
    async "the same seed gives the same words"() {
        const ask = () => client.chat.completions.create({ model: "chat", messages, max_tokens: 12, seed: 7, temperature: 0.8 });
        const [a, b] = [await ask(), await ask()];
        assert.equal(a.choices[0].message.content, b.choices[0].message.content);
    },
    async "a stop word ends an answer and is not said"() {
        const answer = await client.chat.completions.create({ model: "chat", messages, max_tokens: 64, stop: [" "], temperature: 0 });
        assert.equal(answer.choices[0].finish_reason, "stop");
        assert.ok(!answer.choices[0].message.content.includes(" "), answer.choices[0].message.content);
    },
    async "plain completions work"() {
        const answer = await client.completions.create({ model: "chat", prompt: "It is a truth", max_tokens: 8 });
        assert.equal(answer.object, "text_completion");
        assert.ok(answer.choices[0].text.length > 0);
    },
    async "an abort ends the stream at once"() {
        const stream = await client.chat.completions.create({ model: "chat", messages, max_tokens: 200, stream: true });
        let pieces = 0;
        for await (const _ of stream) if (++pieces === 3) stream.controller.abort();
        assert.ok(pieces < 60, `${pieces} pieces after an abort`);
    },
    async "embeddings of one and many"() {
        const one = await client.embeddings.create({ model: "embed", input: "a walk in the park" });
        assert.ok(one.data[0].embedding.length >= 16 && one.data[0].embedding.every(Number.isFinite));
        const many = await client.embeddings.create({ model: "embed", input: ["one", "two", "three"] });
        assert.deepEqual(many.data.map((d) => d.index), [0, 1, 2]);
        const floats = await client.embeddings.create({ model: "embed", input: "a walk in the park", encoding_format: "float" });
        floats.data[0].embedding.forEach((x, i) => assert.ok(Math.abs(x - one.data[0].embedding[i]) < 1e-5));
    },
    async "errors are of their type"() {
        await assert.rejects(client.chat.completions.create({ model: "nope", messages }),
            (e) => e instanceof OpenAI.NotFoundError && e.code === "model_not_found");
        await assert.rejects(client.chat.completions.create({ model: "chat", messages, stream: "yes" }),
            (e) => e instanceof OpenAI.BadRequestError && e.param === "stream");
        const stranger = new OpenAI({ apiKey: "wrong", baseURL: client.baseURL, maxRetries: 0 });
        await assert.rejects(stranger.models.list(), (e) => e instanceof OpenAI.AuthenticationError);
        await assert.rejects(client.chat.completions.create({ model: "chat", max_tokens: 64,
            messages: [{ role: "user", content: "word ".repeat(3000) }] }),
            (e) => e instanceof OpenAI.BadRequestError && e.code === "context_length_exceeded");
    },
    async "fifty at once are all answered"() {
        const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => client.chat.completions.create({
            model: "chat", max_tokens: 6, temperature: 0, messages: [{ role: "user", content: `letter ${i}` }] })));
        assert.equal(answers.length, 50);
        assert.ok(answers.every((a) => a.choices[0].message.content.length > 0));
    },
};

let passed = 0, failed = 0;
for (const [name, run] of Object.entries(tests)) {
    const began = performance.now();
    try {
        await run();
        passed++;
        console.log(`ok      openai_test: ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
    } catch (error) {
        failed++;
        console.log(`FAILED  openai_test: ${name}\n${error.stack}`);
    }
}
up.removeAllListeners("exit");
const status = await new Promise((resolve) => { up.once("exit", resolve); up.kill("SIGTERM"); });
rmSync(state, { recursive: true, force: true });
if (status !== 0) { failed++; console.log(`FAILED  the world ended with ${status}`); }
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
