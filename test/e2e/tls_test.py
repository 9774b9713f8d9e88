#!/usr/bin/env python3
"""`farspan front https://...`: who is let in, who is not, and that everything else goes over TLS as it does without.
Certificates are made here, by the openssl command."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

import harness
from harness import FARSPAN, connect, free_port_base, post, request, sse_events, status_of, test, wait_for

FOLDER = tempfile.mkdtemp(prefix="farspan-tls-")
CHUNKS = 8
CHUNK_PAUSE_S = 0.15


def openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def make_root(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")


def make_certificate(name, host, days):
    """Signed by root.pem; a negative number of days: over already."""
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key",
            "-out", f"{name}.csr", "-subj", f"/CN={host}")
    with open(os.path.join(FOLDER, f"{name}.ext"), "w") as f:
        f.write(f"subjectAltName=DNS:{host}\n")
    openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial",
            "-days", str(days), "-extfile", f"{name}.ext", "-out", f"{name}.pem")


make_root("root")
make_root("stranger")
make_certificate("good", "localhost", 2)
make_certificate("other", "elsewhere.example", 2)
make_certificate("expired", "localhost", -1)
ROOT = os.path.join(FOLDER, "root.pem")


class Server:
    """An OpenAI-compatible server over TLS that does what the body's "user" says."""

    def __init__(self, certificate="good"):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(os.path.join(FOLDER, certificate + ".pem"),
                                     os.path.join(FOLDER, certificate + ".key"))
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.connections = 0  # with a POST on them
        self.posts = 0
        self.bodies = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(plain,), daemon=True).start()

    def serve(self, plain):
        try:
            with self.context.wrap_socket(plain, server_side=True) as s, s.makefile("rb") as reader:
                has_post = False
                while True:
                    line = reader.readline().decode()
                    if not line:
                        return
                    headers = {}
                    while (header := reader.readline().decode().strip()):
                        key, _, value = header.partition(":")
                        headers[key.lower()] = value.strip()
                    body = reader.read(int(headers.get("content-length", 0)))
                    if line.startswith("GET"):
                        self.reply(s, b'{"object":"list","data":[{"id":"chat"}]}')
                        continue
                    self.connections += not has_post
                    has_post = True
                    self.posts += 1
                    self.bodies.append(body)
                    if not self.act(s, plain, json.loads(body).get("user")):
                        return
        except OSError:
            pass

    @staticmethod
    def reply(s, body):
        s.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)

    def act(self, s, plain, what):
        """False: the connection is over."""
        if what == "stream":
            s.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            for i in range(CHUNKS):
                event = b"data: %d\n\n" % i
                s.sendall(b"%x\r\n%s\r\n" % (len(event), event))
                time.sleep(CHUNK_PAUSE_S)
            s.sendall(b"0\r\n\r\n")
            return True
        if what in ("until-close", "cut"):
            s.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{}")
            if what == "until-close":
                s.unwrap()  # close_notify
            else:
                os.close(os.dup(s.fileno()))
                s.shutdown(socket.SHUT_RDWR)  # the end of TCP without the end of TLS
            return False
        if what == "whole-then-cut":
            self.reply(s, b'{"whole":true}')
            s.shutdown(socket.SHUT_RDWR)
            return False
        if what == "excess":
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)  # two records, which come together
            s.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            s.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstray")
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
            return True
        self.reply(s, json.dumps({"bytes": len(self.bodies[-1])}).encode())
        return True

    def stop(self):
        self.listener.close()


@contextlib.contextmanager
def front(port, *arguments, environment=None):
    here = free_port_base(4)
    with open(os.path.join(FOLDER, "front.log"), "w+") as errors:
        process = subprocess.Popen([FARSPAN, "front", f"https://localhost:{port}", "--service", "chat", "--listen",
                                    f"127.0.0.1:{here}", *arguments], stderr=errors,
                                   env={**os.environ, **(environment or {})})
        try:
            def is_up():
                assert process.poll() is None, f"front ended with {process.returncode}"
                with contextlib.suppress(OSError):
                    connect(here).close()
                    return True
            wait_for("front listens", is_up)
            yield here
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(timeout=10)
            errors.seek(0)
            assert status == 0, (status, errors.read())


def ask(port, user=None, words="hello", **more):
    body = {"model": "chat", "user": user or "u", "messages": [{"role": "user", "content": words}]}
    return request(port, "POST", "/v1/chat/completions", json.dumps(body).encode(), **more)


def assert_refused(certificate, word, *arguments):
    server = Server(certificate)
    with front(server.port, *arguments) as port:
        status, body = ask(port)
        error = json.loads(body)["error"]
        assert status == 502 and error["code"] == "upstream_failed", (status, body)
        assert "certificate" in error["message"] and re.search(word, error["message"]), error
    assert server.posts == 0
    server.stop()


@test
def an_untrusted_root_is_refused_and_the_error_says_so():
    assert_refused("good", "unable to get local issuer")
    assert_refused("good", "unable to get local issuer|signature", "--ca-file", os.path.join(FOLDER, "stranger.pem"))


@test
def another_name_is_refused():
    assert_refused("other", "mismatch", "--ca-file", ROOT)


@test
def an_expired_certificate_is_refused():
    assert_refused("expired", "expired", "--ca-file", ROOT)


@test
def a_trusted_root_is_found_by_flag_and_by_environment():
    server = Server()
    with front(server.port, "--ca-file", ROOT) as port:
        assert ask(port)[0] == 200
    with front(server.port, environment={"SSL_CERT_FILE": ROOT}) as port:
        assert ask(port)[0] == 200
    server.stop()


@test
def without_names_of_services_the_server_is_asked_over_tls_too():
    server = Server()
    here = free_port_base(4)
    command = [FARSPAN, "front", f"https://localhost:{server.port}", "--listen", f"127.0.0.1:{here}"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert refused.returncode == 1 and "certificate" in refused.stderr, refused
    process = subprocess.Popen([*command, "--ca-file", ROOT], stderr=subprocess.DEVNULL)
    try:
        def lists():
            with contextlib.suppress(OSError):
                return b'"chat"' in request(here, "GET", "/v1/models")[1]
        wait_for("the list of models", lists)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    server.stop()


@test
def one_connection_serves_many_requests():
    server = Server()
    with front(server.port, "--ca-file", ROOT) as port:
        for i in range(20):
            status, body = ask(port, words="x" * i * 997)
            assert status == 200 and json.loads(body)["bytes"] == len(server.bodies[-1]), (i, status, body)
    assert server.posts == 20 and server.connections == 1, (server.posts, server.connections)
    server.stop()


@test
def a_large_body_goes_out_whole():
    """Above 1 MiB it is passed on as it comes: more than a record and more than the socket holds."""
    server = Server()
    with front(server.port, "--ca-file", ROOT) as port:
        for size in (100_000, 900_000, 3_000_000, 12_000_000):
            status, body = ask(port, words=" " * size)
            assert status == 200, (size, status, body)
            assert json.loads(body)["bytes"] == len(server.bodies[-1]) > size, (size, body)
    server.stop()


@test
def a_stream_comes_chunk_by_chunk():
    server = Server()
    with front(server.port, "--ca-file", ROOT) as port:
        s = connect(port)
        s.sendall(post("k", "/v1/chat/completions", {"model": "chat", "user": "stream", "messages": [
            {"role": "user", "content": "x"}]}))
        got, arrivals = b"", []
        while b"0\r\n\r\n" not in got:
            piece = s.recv(65536)
            assert piece, got
            got += piece
            arrivals += [time.monotonic()] * piece.count(b"data: ")
        s.close()
        assert status_of(got) == 200 and len(sse_events(got)) == CHUNKS == len(arrivals), got
        gaps = [b - a for a, b in zip(arrivals, arrivals[1:])]
        assert min(gaps) > CHUNK_PAUSE_S / 3, gaps
    server.stop()


@test
def the_end_of_an_answer_without_length_is_believed_with_close_notify_only():
    server = Server()
    with front(server.port, "--ca-file", ROOT) as port:
        assert ask(port, "until-close") == (200, b"{}")
        s = connect(port)
        s.sendall(post("k", "/v1/chat/completions", {"model": "chat", "user": "cut", "messages": [
            {"role": "user", "content": "x"}]}))
        got, was_reset = harness.read_to_end(s)
        assert was_reset and b"0\r\n\r\n" not in got, got
        # of a known length it was whole before: the rude end does no harm
        assert ask(port, "whole-then-cut") == (200, b'{"whole":true}')
        assert ask(port)[0] == 200
    server.stop()


@test
def a_record_behind_the_answer_is_nobodys_answer():
    server = Server()
    with front(server.port, "--ca-file", ROOT) as port:
        for _ in range(10):
            assert ask(port, "excess") == (200, b"{}")
            status, body = ask(port)
            assert status == 200 and b"bytes" in body, (status, body)
    server.stop()


@test
def a_server_that_never_shakes_hands_costs_no_more_than_the_deadline():
    silent = socket.create_server(("127.0.0.1", 0), backlog=64)
    with front(silent.getsockname()[1], "--ca-file", ROOT) as port:
        began = time.monotonic()
        status, body = ask(port, headers={"x-farspan-deadline-ms": "700"})
        assert status == 504, (status, body)
        assert time.monotonic() - began < 3
    silent.close()


@test
def a_server_that_breaks_the_handshake_is_a_502():
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def reset_each():
        while True:
            try:
                s, _ = listener.accept()
            except OSError:
                return
            s.recv(100)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
    threading.Thread(target=reset_each, daemon=True).start()
    with front(listener.getsockname()[1], "--ca-file", ROOT) as port:
        status, body = ask(port)
        assert status == 502, (status, body)
    listener.close()


@test
def fifty_at_once_are_answered():
    server = Server()
    with front(server.port, "--ca-file", ROOT) as port:
        answers = []
        threads = [threading.Thread(target=lambda i=i: answers.append(ask(port, words="y" * i * 2000)))
                   for i in range(50)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(30)
        assert len(answers) == 50 and all(status == 200 for status, _ in answers), answers
    server.stop()


status = harness.main()
shutil.rmtree(FOLDER, ignore_errors=True)
sys.exit(status)
