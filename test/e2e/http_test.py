#!/usr/bin/env python3
"""Bad bytes at a gateway's door: refused with the right status, and the gateway lives on."""
import json
import socket
import sys
import time

import harness
from harness import (World, chat_body, connect, post, read_to_end, request, send_raw, status_of, test)

world = World(echo=True)
PORT, KEY = world.port(), world.key
GOOD = post(KEY, "/v1/chat/completions", chat_body(4, False))


def assert_alive():
    status, body = world.call("/v1/chat/completions", chat_body(4, False))
    assert status == 200, (status, body)


def refused(data, *statuses):
    answer = send_raw(PORT, data, wait_all=False)
    assert status_of(answer) in statuses, (status_of(answer), answer[:300])
    return answer


def head(*lines, first=b"POST /v1/chat/completions HTTP/1.1"):
    return b"\r\n".join((first, b"Host: x", b"Authorization: Bearer " + KEY.encode(), *lines)) + b"\r\n\r\n"


@test
def a_good_request_is_answered():
    answer = send_raw(PORT, GOOD, wait_all=False)
    assert status_of(answer) == 200, answer


@test
def two_lengths_are_refused():
    for second in (b"Content-Length: 5", b"Content-Length: 6", b"content-length: 5, 5"):
        refused(head(b"Content-Length: 5", second) + b"hello", 400)


@test
def length_with_chunked_is_refused():
    refused(head(b"Content-Length: 5", b"Transfer-Encoding: chunked") + b"0\r\n\r\n", 400)
    refused(head(b"Transfer-Encoding: chunked", b"Content-Length: 5") + b"0\r\n\r\n", 400)


@test
def odd_transfer_codings_are_refused():
    for coding in (b"gzip", b"chunked, gzip", b"xchunked", b"chunked, chunked", b"\x0bchunked"):
        refused(head(b"Transfer-Encoding: " + coding) + b"0\r\n\r\n", 400, 501)


@test
def odd_lengths_are_refused():
    for length in (b"+5", b"-5", b"0x5", b"5 5", b"", b"99999999999999999999999"):
        refused(head(b"Content-Length: " + length) + b"hello", 400, 413)


@test
def bare_line_feeds_and_folds_are_refused():
    refused(GOOD.replace(b"\r\n", b"\n"), 400)
    refused(head(b"X-A: 1\nX-B: 2", b"Content-Length: 0"), 400)
    refused(head(b"X-A: 1", b" folded", b"Content-Length: 0"), 400)


@test
def bad_names_and_values_are_refused():
    for line in (b"X A: 1", b"X-A : 1", b": 1", b"X-A: \x00", b"X\x80: 1", b"no colon"):
        refused(head(line, b"Content-Length: 0"), 400)


@test
def a_missing_or_second_host_is_refused():
    refused(b"GET /healthz HTTP/1.1\r\n\r\n", 400)
    refused(b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400)


@test
def bad_chunk_sizes_are_refused():
    for body in (b"g\r\n", b"-1\r\n", b"5;\x00\r\nhello\r\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n",
                 b"ffffffffffffffffff\r\n", b"5\r\nhelloX\r\n0\r\n\r\n"):
        refused(head(b"Transfer-Encoding: chunked") + body, 400, 413)


@test
def a_megabyte_of_header_is_431():
    refused(head(b"X-A: " + b"a" * (1 << 20)), 431)
    refused(head(*(b"X-%d: 1" % i for i in range(200))), 431)


@test
def a_long_request_line_is_414():
    refused(head(first=b"GET /" + b"a" * 20000 + b" HTTP/1.1"), 414, 431)


@test
def unknown_versions_and_methods_are_refused():
    refused(head(first=b"GET /healthz HTTP/2.0"), 505, 400)
    refused(head(first=b"GET /healthz HTTP/1.9"), 505, 400)
    refused(head(first=b"DELETE /v1/chat/completions HTTP/1.1"), 405)


@test
def a_hundred_megabytes_are_413():
    s = connect(PORT)
    s.sendall(head(b"Content-Type: application/json", b"Content-Length: 104857600", b"Expect: 100-continue"))
    answer = s.recv(65536)
    s.close()
    assert status_of(answer) == 413, answer
    chat = b"POST /v1/chat/completions HTTP/1.1"
    infer = b"POST /v2/models/digits/infer HTTP/1.1"
    cases = ((chat, b'{"model":"chat","messages":[{"role":"user","content":"', b"a", 400, b"context_length_exceeded"),
             (chat, b" ", b" ", 400, b"within the first 1 MiB"),
             (infer, b'{"inputs":[{"name":"x","datatype":"FP32","shape":[1,64],"data":[0', b",1", 413, b"error"))
    for line, start, filling, status, word in cases:
        s = connect(PORT, 60)
        s.sendall(head(b"Content-Type: application/json", b"Transfer-Encoding: chunked", first=line))
        s.sendall(b"%x\r\n" % len(start) + start + b"\r\n")
        block = b"10000\r\n" + filling * (65536 // len(filling)) + b"\r\n"
        try:
            for _ in range(1600):
                s.sendall(block)
        except OSError:
            pass
        try:
            answer = s.recv(65536)
        except ConnectionResetError:
            answer = b""
        s.close()
        assert not answer or (status_of(answer) == status and word in answer), (line, answer)
    assert_alive()


@test
def a_truncated_request_changes_nothing():
    """Cut at every byte: by an orderly end, which may be answered with 400 but never 200, and by a reset."""
    for cut in range(1, len(GOOD)):
        s = connect(PORT)
        s.sendall(GOOD[:cut])
        if cut % 2:
            s.shutdown(socket.SHUT_WR)
            answer, _ = read_to_end(s)
            assert status_of(answer) in (0, 400), (cut, answer)
        else:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        s.close()
    assert_alive()


@test
def a_request_byte_by_byte_is_answered():
    s = connect(PORT)
    for i in range(len(GOOD)):
        s.sendall(GOOD[i:i + 1])
    s.settimeout(5)
    answer = s.recv(65536)
    s.close()
    assert status_of(answer) == 200, answer


@test
def pipelined_requests_are_answered_in_order():
    s = connect(PORT)
    one = b"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n\r\n"
    last = b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n\r\n"
    s.sendall(one + GOOD + one + last)
    answer, was_reset = read_to_end(s)
    assert answer.count(b"HTTP/1.1 200") == 3 and answer.count(b"HTTP/1.1 404") == 1, answer
    assert answer.rindex(b"HTTP/1.1 404") > answer.rindex(b"HTTP/1.1 200") and not was_reset


@test
def one_hundred_continue_is_said_once():
    s = connect(PORT)
    body = json.dumps(chat_body(4, False)).encode()
    s.sendall(head(b"Content-Type: application/json", b"Content-Length: %d" % len(body), b"Expect: 100-continue"))
    answer = s.recv(65536)
    assert answer == b"HTTP/1.1 100 Continue\r\n\r\n", answer
    s.sendall(body)
    answer = s.recv(65536)
    s.close()
    assert status_of(answer) == 200, answer


@test
def head_has_no_body():
    answer = send_raw(PORT, b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert status_of(answer) == 200 and answer.endswith(b"\r\n\r\n"), answer


@test
def json_nested_without_end_is_refused():
    body = b'{"model":"chat","messages":' + b"[" * 100000
    refused(post(KEY, "/v1/chat/completions", body), 400)
    assert_alive()


@test
def json_mistakes_name_the_key():
    cases = {
        '{"model":"chat","stream":"yes","messages":[]}': "stream",
        '{"model":"chat","model":"chat","messages":[]}': "model",
        '{"model":7,"messages":[]}': "model",
        '{"model":"chat","max_tokens":-1,"messages":[{"role":"user","content":"a"}]}': "max_tokens",
    }
    for body, param in cases.items():
        status, answer = world.call("/v1/chat/completions", body.encode())
        error = json.loads(answer)["error"]
        assert status == 400 and error["param"] == param, (body, status, answer)


@test
def broken_json_and_utf8_are_refused():
    for body in (b'{"model":"chat","messages":[{"role":"user","content":"\xff"}]}', b"{", b"[]", b"nul", b"",
                 b'{"model":"chat","messages":[{"role":"user","content":NaN}]}', b'{"model":"chat"} x'):
        status, answer = world.call("/v1/chat/completions", body)
        assert status == 400 and "error" in json.loads(answer), (body, status, answer)


@test
def an_unknown_model_is_404_and_named():
    status, answer = world.call("/v1/chat/completions", dict(chat_body(4, False), model="nope"))
    error = json.loads(answer)["error"]
    assert status == 404 and error["code"] == "model_not_found" and "nope" in error["message"], answer


@test
def an_unknown_path_is_404_with_the_list():
    status, answer = world.call("/v1/chatt/completions", {})
    assert status == 404 and b"/v1/chat/completions" in answer, answer


@test
def a_prompt_beyond_the_context_is_said_so():
    status, answer = world.call("/v1/chat/completions", chat_body(64, False, "word " * 4000))
    assert status == 400 and json.loads(answer)["error"]["code"] == "context_length_exceeded", answer


@test
def another_content_type_is_415():
    data = GOOD.replace(b"application/json", b"text/plain")
    refused(data, 415)


@test
def keys_are_needed():
    for authorization in (None, "Bearer wrong", "Basic " + KEY, f"Peer {KEY}"):
        status, answer = request(PORT, "POST", "/v1/chat/completions", json.dumps(chat_body()).encode(), authorization)
        assert status in (401, 403) and "error" in json.loads(answer), (authorization, status, answer)
        assert KEY.encode() not in answer


@test
def a_client_key_opens_no_peer_door():
    for path in ("/peer/v1/state", "/peer/v1/summary"):
        status, _ = request(PORT, "GET", path, authorization=f"Bearer {KEY}")
        assert status == 403, (path, status)
    worker = world.ready["regions"][0]["workers"][0]["port"]
    status, _ = request(worker, "POST", "/v1/chat/completions", json.dumps(chat_body()).encode(), f"Bearer {KEY}")
    assert status == 403, status


@test
def slow_headers_are_timed_out():
    s = connect(PORT, timeout=20)
    began = time.monotonic()
    s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n")
    answer, _ = read_to_end(s)
    took = time.monotonic() - began
    assert 8 < took < 16 and (not answer or status_of(answer) == 408), (took, answer)


@test
def a_slow_body_is_timed_out():
    s = connect(PORT, timeout=30)
    began = time.monotonic()
    s.sendall(head(b"Content-Type: application/json", b"Content-Length: 100000"))
    answer = b""
    s.settimeout(1)
    while time.monotonic() - began < 25:
        try:
            s.sendall(b" ")
            answer = s.recv(65536)
            break
        except socket.timeout:
            continue
        except OSError:
            break
    assert time.monotonic() - began < 25 and (not answer or status_of(answer) == 408), answer


@test
def the_gateway_is_whole_after_all_of_this():
    assert_alive()
    assert all(p["restarts"] == 0 for p in world.processes()), world.processes()


if __name__ == "__main__":
    sys.exit(harness.main(world))
