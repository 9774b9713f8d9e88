#!/usr/bin/env python3
"""`farspan front` before servers that already run: a world's gateways, and small servers written here (http and https,
names, IPv4 and IPv6). What dies is gone round, what is refused says why."""
import http.server
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import harness
from harness import (FARSPAN, World, chat_body, free_port_base, read_to_end, request, send_raw, sse_events, status_of,
                     test, wait_for)

world = World(echo=True)
KEY_FILE = os.path.join(world.state, "key")
folder = tempfile.mkdtemp(prefix="farspan-test-")


class Handler(http.server.BaseHTTPRequestHandler):
    """An OpenAI-compatible server of one model, with faults on demand."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def break_off(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def do_GET(self):
        if self.path == "/v1/models":
            self.answer(200, {"object": "list", "data": [{"id": self.server.model, "object": "model"}]})
        else:
            self.answer(404, {"error": {"message": "no such path"}})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.seen.append((self.headers.get("authorization"), self.headers.get("host"), body))
        kind = self.server.kind
        if kind == "close":
            self.connection.shutdown(socket.SHUT_RDWR)  # close() would wait for the files made of it
            self.close_connection = True
            return
        if kind == "garbage":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello")
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if kind == "429":
            self.send_response(429)
            self.send_header("retry-after", "7")
            self.send_header("content-length", "0")
            self.end_headers()
            return
        if body.get("stream"):
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for word in ("one", "two", "three"):
                data = b'data: {"choices":[{"delta":{"content":"%s"}}]}\n\n' % word.encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            if kind == "cut":
                self.break_off()
                return
            self.wfile.write(b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n")
            return
        self.answer(200, {"object": "chat.completion", "model": body["model"], "server": self.server.server_port,
                          "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"},
                                       "finish_reason": "stop"}]})


class Server6(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


class Upstream:
    def __init__(self, kind="good", model="m", host="127.0.0.1", certificate=None):
        cls = Server6 if ":" in host else http.server.ThreadingHTTPServer
        self.server = cls((host, 0), Handler)
        self.server.daemon_threads = True
        self.server.model, self.server.kind, self.server.seen = model, kind, []
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate + ".crt", certificate + ".key")
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        self.seen = self.server.seen
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Front:
    def __init__(self, *urls_and_options, listen=None, environment=None):
        self.port = free_port_base(4)
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([FARSPAN, "front", *urls_and_options, "--listen",
                                         listen or f"127.0.0.1:{self.port}"], stderr=self.errors, env=environment)

    def said(self):
        self.errors.seek(0)
        return self.errors.read()

    def wait(self):
        """Until it answers; or its exit."""
        def is_up():
            if self.process.poll() is not None:
                return True
            try:
                return request(self.port, "GET", "/healthz", timeout=2)[0] == 200
            except OSError:
                return False
        wait_for("the front is up or has ended", is_up, 20)
        return self

    def chat(self, stream=False, model="chat", headers=None, tokens=4, key=None, timeout=30):
        try:
            return request(self.port, "POST", "/v1/chat/completions",
                           json.dumps(dict(chat_body(tokens, stream), model=model)).encode(),
                           f"Bearer {key}" if key else None, timeout, headers)
        except OSError as error:
            return 0, str(error).encode()

    def __enter__(self):
        return self.wait()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=10)
        said = self.said()
        self.errors.close()
        assert status == 0, (status, said)


def refused(*arguments, listen=None, status=None):
    """A front that does not start: what it says. <status> 2: the command line is wrong, 1: the rest is."""
    got = subprocess.run([FARSPAN, "front", *arguments, "--listen", listen or f"127.0.0.1:{free_port_base(4)}"],
                         capture_output=True, text=True, timeout=30)
    assert got.returncode in ((1, 2) if status is None else (status,)), got
    assert got.stderr.strip() and "check failed" not in got.stderr, got
    return got.stderr


def make_certificate(name, hosts):
    path = os.path.join(folder, name)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={hosts}",
                    "-keyout", path + ".key", "-out", path + ".crt"], check=True, capture_output=True)
    return path


@test
def a_world_behind_a_front_answers_as_itself():
    with Front(world.gateways[0], "--upstream-key-file", KEY_FILE) as front:
        status, body = request(front.port, "GET", "/v1/models")
        assert status == 200 and {m["id"] for m in json.loads(body)["data"]} >= {"chat", "embed", "risk"}, body
        status, body = front.chat()
        assert status == 200 and json.loads(body)["choices"][0]["message"]["content"], body
        status, body = front.chat(stream=True, tokens=16)
        events = sse_events(body)
        assert status == 200 and events[-1] == "[DONE]" and len(events) > 16, body
        status, body = request(front.port, "POST", "/v1/embeddings", b'{"model":"embed","input":"a"}')
        assert status == 200 and json.loads(body)["data"], body
        status, body = front.chat(model="nope")
        assert status == 404 and b"model_not_found" in body, body
        status, body = request(front.port, "GET", "/metrics")
        assert status == 200 and world.key.encode() not in body, body[:300]


@test
def the_servers_key_is_shown_to_servers_only_and_the_clients_to_none():
    upstream = Upstream()
    path = os.path.join(folder, "upstream.key")
    with open(path, "w") as f:
        f.write("sk-upstream\n")
    with Front(f"http://127.0.0.1:{upstream.port}", "--upstream-key-file", path, "--key", "sk-client") as front:
        assert front.chat(model="m")[0] == 401
        assert front.chat(model="m", key="sk-upstream")[0] == 401
        status, body = front.chat(model="m", key="sk-client")
        assert status == 200, body
    assert [seen[0] for seen in upstream.seen] == ["Bearer sk-upstream"], upstream.seen
    upstream.stop()


@test
def a_server_that_dies_costs_nobody_an_answer():
    """Two gateways behind one front, asked all the time; one is killed: requests that had no byte yet go on elsewhere."""
    results = []
    with Front(world.gateways[1], world.gateways[2], "--upstream-key-file", KEY_FILE, "--policy", "round_robin",
               "--service", "chat") as front:
        until = time.monotonic() + 6

        def ask():
            while time.monotonic() < until:
                results.append(front.chat(tokens=2))
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(1.5)
        world.fault("gcp:asia-northeast1", "kill")
        for thread in threads:
            thread.join()
        bad = [r for r in results if r[0] != 200]
        assert not bad and len(results) > 20, (len(results), bad[:3])
    world.fault("gcp:asia-northeast1", "heal")
    world.wait_whole()


@test
def a_server_that_breaks_off_is_gone_round():
    for kind in ("close", "garbage", "429"):
        bad, good = Upstream(kind), Upstream()
        with Front(f"http://127.0.0.1:{bad.port}", f"http://127.0.0.1:{good.port}", "--service", "m", "--policy",
                   "round_robin") as front:
            for _ in range(6):
                status, body = front.chat(model="m")
                assert status == 200 and json.loads(body)["server"] == good.port, (kind, status, body)
        assert len(good.seen) == 6 and bad.seen, kind
        bad.stop()
        good.stop()


@test
def all_servers_busy_is_429_or_503_with_a_time():
    busy = Upstream("429")
    with Front(f"http://127.0.0.1:{busy.port}", "--service", "m") as front:
        for _ in range(3):
            answer = send_raw(front.port, harness.post("x", "/v1/chat/completions", dict(chat_body(4, False), model="m"),
                                                       b"Connection: close\r\n"))
            assert status_of(answer) in (429, 503) and b"retry-after: " in answer.lower(), answer
    busy.stop()


@test
def a_stream_that_a_server_cuts_ends_typed():
    cut = Upstream("cut")
    with Front(f"http://127.0.0.1:{cut.port}", "--service", "m") as front:
        s = harness.connect(front.port)
        s.sendall(harness.post("x", "/v1/chat/completions", dict(chat_body(4), model="m")))
        got, was_reset = read_to_end(s)
        events = sse_events(got)
        assert "[DONE]" not in events and not got.endswith(b"0\r\n\r\n"), got
        assert was_reset or json.loads(events[-1])["error"]["code"] == "upstream_lost", got
    cut.stop()


@test
def names_and_both_kinds_of_address_are_dialled():
    four = Upstream()
    with Front(f"http://localhost:{four.port}") as front:
        status, body = front.chat(model="m")
        assert status == 200, body
    four.stop()
    try:
        six = Upstream(host="::1")
    except OSError:
        print("SKIPPED no IPv6 on loopback here", flush=True)
        return
    with Front(f"http://[::1]:{six.port}") as front:
        status, body = front.chat(model="m")
        assert status == 200, body
    assert six.seen[0][1] == f"[::1]:{six.port}", six.seen
    six.stop()


@test
def a_url_with_a_path_keeps_it_once():
    upstream = Upstream()
    with Front(f"http://127.0.0.1:{upstream.port}/v1") as front:
        status, body = front.chat(model="m")
        assert status == 200, body
    upstream.stop()


@test
def servers_that_are_not_there_yet_are_waited_for():
    port = free_port_base(4) + 2
    with Front(f"http://127.0.0.1:{port}", "--service", "m") as front:
        status, body = front.chat(model="m")
        assert status in (502, 503), (status, body)
        upstream = Upstream()
        upstream.stop()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        server.model, server.kind, server.seen = "m", "good", []
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        wait_for("the server is found", lambda: front.chat(model="m")[0] == 200, 30)
        server.shutdown()
        server.server_close()


@test
def bad_urls_and_silent_servers_are_said_so():
    assert "not-a-url" in refused("not-a-url", status=2)
    assert "ftp://x" in refused("ftp://x", status=2)
    for url in ("http://", "http://127.0.0.1:99999", "http://127.0.0.1:0x10", "http://[::1", "http://a b:1"):
        refused(url, "--service", "m", status=2)
    port = free_port_base(4) + 3
    said = refused(f"http://127.0.0.1:{port}", status=1)
    assert str(port) in said and "--service" in said, said
    assert "no-such-host.invalid" in refused("http://no-such-host.invalid:8000")
    refused(status=2)
    one = ("http://127.0.0.1:1", "--service", "m")
    assert "nowhere" in refused(*one, "--upstream-key-file", "/nowhere", status=1)
    assert "nonsense" in refused(*one, "--policy", "nonsense", status=2)
    assert "nonsense" in refused(*one, listen="nonsense", status=2)


@test
def a_listening_port_in_use_is_named():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        said = refused("http://127.0.0.1:1", "--service", "m", listen=f"127.0.0.1:{port}")
        assert str(port) in said, said


@test
def beyond_loopback_plain_text_needs_leave_and_a_key():
    port = free_port_base(4)
    url = ("http://127.0.0.1:1", "--service", "m")
    assert "--insecure" in refused(*url, listen=f"0.0.0.0:{port}")
    assert "--insecure" in refused(*url, "--key", "k", listen=f"0.0.0.0:{port}")
    assert "key" in refused(*url, "--insecure", listen=f"0.0.0.0:{port}")
    assert "--insecure" in refused(*url, listen=f"[::]:{port}")
    front = Front(*url, "--insecure", "--key", "sk-k", listen=f"0.0.0.0:{port}")
    front.port = port
    with front:
        assert front.chat(model="m")[0] == 401
        assert front.chat(model="m", key="sk-k")[0] in (502, 503)


@test
def a_certificate_that_nobody_vouches_for_is_refused():
    certificate = make_certificate("own", "DNS:localhost,IP:127.0.0.1")
    upstream = Upstream(certificate=certificate)
    said = refused(f"https://localhost:{upstream.port}")
    assert "certificate" in said, said
    with Front(f"https://localhost:{upstream.port}", "--service", "m") as front:
        status, body = front.chat(model="m")
        assert status in (502, 503) and b'"error"' in body, (status, body)
    assert not upstream.seen, upstream.seen
    upstream.stop()


@test
def a_certificate_of_a_trusted_root_is_taken_for_its_names_only():
    certificate = make_certificate("root", "DNS:localhost,IP:127.0.0.1")
    upstream = Upstream(certificate=certificate)
    ca = ("--ca-file", certificate + ".crt")
    for host in ("localhost", "127.0.0.1"):
        with Front(f"https://{host}:{upstream.port}", *ca) as front:
            status, body = front.chat(model="m")
            assert status == 200, (host, body)
            status, body = front.chat(model="m", stream=True)
            assert status == 200 and sse_events(body)[-1] == "[DONE]", body
    upstream.stop()
    other = make_certificate("other", "DNS:example.org")
    upstream = Upstream(certificate=other)
    said = refused(f"https://localhost:{upstream.port}", "--ca-file", other + ".crt")
    assert "certificate" in said or "name" in said, said
    assert not upstream.seen
    upstream.stop()


@test
def a_file_says_the_same_as_the_command_line():
    upstream = Upstream(model="my-model")
    port = free_port_base(4)
    path = os.path.join(folder, "front.yaml")
    with open(os.path.join(harness.ROOT, "examples/front-existing.yaml")) as f:
        text = f.read().replace("127.0.0.1:8080", f"127.0.0.1:{port}").replace(":8000", f":{upstream.port}")
    with open(path, "w") as f:
        f.write(text)
    process = subprocess.Popen([FARSPAN, "gateway", "-f", path], stderr=subprocess.DEVNULL,
                               env=dict(os.environ, FARSPAN_KEY="sk-app"))
    try:
        def ask(key):
            try:
                return request(port, "POST", "/v1/chat/completions",
                               json.dumps(dict(chat_body(4, False), model="my-model")).encode(), f"Bearer {key}")[0]
            except OSError:
                return 0
        wait_for("it answers", lambda: ask("sk-app") == 200, 20)
        assert ask("wrong") == 401
    finally:
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=10)
        upstream.stop()
    assert status == 0, status


if __name__ == "__main__":
    result = harness.main(world)
    shutil.rmtree(folder, ignore_errors=True)
    sys.exit(result)
