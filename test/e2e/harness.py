"""What the end-to-end tests share: a world to talk to, raw requests, and a runner that counts.

Each test is a function marked @test; its name says what it protects. Everything stays on loopback; only processes
started here are ended, by their id. `python3 X_test.py BINARY [long] [--only WORD]`.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FARSPAN = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.path.join(ROOT, "build/farspan")
LONG = "long" in sys.argv[2:]
ONLY = sys.argv[sys.argv.index("--only") + 1] if "--only" in sys.argv else ""
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def long_test(function):
    if LONG:
        TESTS.append(function)
    return function


def free_port_base(count=64):
    """A block of free ports, away from the ones that the kernel hands out."""
    start = 20000 + (os.getpid() * 97) % 9000
    for base in range(start, start + 2000, count):
        sockets = []
        try:
            for port in range(base, base + count):
                s = socket.socket()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as farspan's listeners: TIME_WAIT is free
                s.bind(("127.0.0.1", port))
                sockets.append(s)
            return base
        except OSError:
            continue
        finally:
            for s in sockets:
                s.close()
    raise RuntimeError("no free block of ports")


def wait_for(what, condition, seconds=10.0, pause=0.05):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(pause)
    raise AssertionError(f"not within {seconds} s: {what}")


class World:
    """`farspan up` as a user would start it."""

    def __init__(self, file="examples/three-continents.yaml", arguments=(), echo=False):
        self.state = tempfile.mkdtemp(prefix="farspan-test-")
        self.base = free_port_base()
        command = [FARSPAN, "up", "-f", os.path.join(ROOT, file), "--json", "--state", self.state,
                   "--port-base", str(self.base), *arguments]
        if echo:
            command.append("--echo")
        self.errors = open(os.path.join(self.state, "stderr"), "w+")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, text=True)
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise AssertionError(f"up did not start: {self.errors.read()}")
        self.ready = json.loads(line)
        self.key = self.ready["key"]
        self.regions = {r["region"]: r for r in self.ready["regions"]}
        self.gateways = [r["gateway"] for r in self.ready["regions"]]
        with open(os.path.join(self.state, "peer.key")) as f:
            self.peer = f.read().strip()

    def port(self, region=0):
        return int(self.gateways[region].rsplit(":", 1)[1])

    def processes(self):
        status, body = self.ask_supervisor("GET", "/peer/v1/state")
        assert status == 200, body
        return json.loads(body)["processes"]

    def pid_of(self, role, region=None, name=None):
        for p in self.processes():
            if p["role"] == role and (region is None or p["region"] == region) and \
                    (name is None or p["process"].endswith(name)):
                return p["pid"]
        raise AssertionError(f"no {role} in {region}")

    def supervisor_port(self):
        r, w, z = len(self.ready["regions"]), sum(len(x["workers"]) for x in self.ready["regions"]), \
            len({x["zone"] for x in self.ready["regions"]})
        return self.base + r + w + r * r + z * r + 1

    def ask_supervisor(self, method, path, body=b""):
        return request(self.supervisor_port(), method, path, body, authorization=f"Peer {self.peer}")

    def state_of(self, port):
        """What a gateway or worker knows, by its peer door."""
        status, body = request(port, "GET", "/peer/v1/state", authorization=f"Peer {self.peer}")
        assert status == 200, body
        return json.loads(body)

    def targets(self, service="chat", region=0):
        """What the gateway of a region would choose among."""
        services = self.state_of(self.port(region))["services"]
        return next(s["targets"] for s in services if s["service"] == service)

    def wait_whole(self, service="chat", seconds=20):
        """Until each gateway would send a request to its own replicas and to each other region."""
        def is_usable(target):
            return target["ready"] and not (target["breaker_open"] or target["cooling"] or target["ejected"])

        def is_whole(region):
            try:
                targets = self.targets(service, region)
            except OSError:
                return False
            return len(targets) >= len(self.gateways) and all(map(is_usable, targets))
        for region in range(len(self.gateways)):
            wait_for(f"all targets of gateway {region}", lambda: is_whole(region), seconds)

    def client_link_port(self, zone, region):
        r, w = len(self.ready["regions"]), sum(len(x["workers"]) for x in self.ready["regions"])
        return self.base + r + w + r * r + zone * r + region

    def fault(self, region, kind):
        status, body = self.ask_supervisor("POST", "/peer/v1/fault",
                                           json.dumps({"region": region, "kind": kind}).encode())
        assert status == 200, body

    def call(self, path, body=None, region=0, **more):
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        return request(self.port(region), "POST" if data is not None else "GET", path, data or b"",
                       authorization=f"Bearer {self.key}", **more)

    def stop(self):
        """Ends the world as a user would; answers its exit status and how long that took."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process.stdout.close()
        self.errors.close()
        shutil.rmtree(self.state, ignore_errors=True)
        return status, time.monotonic() - began


def request(port, method, path, body=b"", authorization=None, timeout=30, headers=None):
    """One request with Python's own client: status and body."""
    r = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body if method != "GET" else None,
                               method=method)
    if method != "GET":
        r.add_header("content-type", "application/json")
    if authorization:
        r.add_header("authorization", authorization)
    for name, value in (headers or {}).items():
        r.add_header(name, value)
    try:
        with urllib.request.urlopen(r, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def connect(port, timeout=10):
    s = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def send_raw(port, data, timeout=10, wait_all=True):
    """Bytes as they are; everything that comes back until the peer closes (or stays silent for 0.5 s)."""
    s = connect(port, timeout)
    try:
        s.sendall(data)
    except OSError:
        pass
    got = b""
    s.settimeout(timeout if wait_all else 0.5)
    try:
        while True:
            piece = s.recv(65536)
            if not piece:
                break
            got += piece
            if not wait_all:
                s.settimeout(0.5)
    except (socket.timeout, ConnectionResetError):
        pass
    s.close()
    return got


def post(key, path, body, extra=b""):
    """The bytes of one POST."""
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    return (f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n").encode() + extra + b"\r\n" + body


def status_of(answer):
    line = answer.split(b"\r\n", 1)[0].split(b" ")
    return int(line[1]) if len(line) > 1 and line[0].startswith(b"HTTP/1.") else 0


def sse_events(text):
    return [line[6:] for line in text.decode().split("\n") if line.startswith("data: ")]


def open_stream(port, key, body, timeout=20):
    """A streaming POST: the socket, after its head and the first event have come; and what has come so far."""
    s = connect(port, timeout)
    s.sendall(post(key, "/v1/chat/completions", body))
    got = b""
    while b"data: " not in got:
        piece = s.recv(65536)
        if not piece or (b"\r\n\r\n" in got + piece and status_of(got + piece) != 200):
            s.close()
            raise AssertionError(f"no stream: {got + piece!r}")
        got += piece
    return s, got


def served_by(got):
    """(region, replica) that compute an answer, of its head: the last element of x-farspan-route."""
    head = got.split(b"\r\n\r\n", 1)[0].decode()
    route = next(line for line in head.split("\r\n") if line.lower().startswith("x-farspan-route:"))
    region, _, replica = route.split(":", 1)[1].split(",")[-1].strip().split(";")[0].partition("/")
    return region, replica


def read_to_end(s):
    """All that comes until the end; and whether the end was a reset."""
    got = b""
    try:
        while True:
            piece = s.recv(65536)
            if not piece:
                return got, False
            got += piece
    except ConnectionResetError:
        return got, True


def children_of(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                found += [int(x) for x in f.read().split()]
    except (FileNotFoundError, ProcessLookupError):  # gone, or gone while it was read
        pass
    return found


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):  # gone, or gone while it was read
        return False


def chat_body(tokens=32, stream=True, words="It was a fine evening in the country", **more):
    return {"model": "chat", "stream": stream, "max_tokens": tokens,
            "messages": [{"role": "user", "content": words}], **more}


def main(*worlds):
    """Runs the tests of the suite, then ends its worlds; each must end well and in time, whatever happened to it."""
    passed = failed = 0
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and so would children
    for function in TESTS:
        name = f"{os.path.basename(sys.argv[0])[:-3]}: {function.__name__.replace('_', ' ')}"
        if ONLY and ONLY not in function.__name__:
            continue
        began = time.monotonic()
        try:
            function()
            passed += 1
            print(f"ok      {name} ({time.monotonic() - began:.1f} s)", flush=True)
        except Exception:
            failed += 1
            print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
    for world in worlds:
        status, took = world.stop()
        if status != 0 or took > 5.5:
            failed += 1
            print(f"FAILED  the world ended with {status} after {took:.1f} s", flush=True)
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0
