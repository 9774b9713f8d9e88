"""What the benchmarks share: building the C helpers, processes that are ended by their id, CPU time, raw figures."""
import json
import os
import platform
import resource
import signal
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(ROOT, "build", "bench")
STARTED = []


def raise_limits():
    """As many descriptors as the machine allows; children inherit it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def compile_helper(name, sources, flags=()):
    """build/bench/NAME from <sources> (relative to the root), when one of them is newer."""
    os.makedirs(OUT, exist_ok=True)
    sources, target = [os.path.join(ROOT, s) for s in sources], os.path.join(OUT, name)
    if not os.path.exists(target) or os.path.getmtime(target) < max(os.path.getmtime(s) for s in sources):
        subprocess.run(["cc", "-D_GNU_SOURCE", "-O2", "-std=gnu17", "-o", target, *sources, *flags], check=True)
    return target


def pinned(cpu, command):
    return ["taskset", "-c", str(cpu), *command]


def start(cpu, command, log="stderr.log", stdout=subprocess.DEVNULL):
    with open(os.path.join(OUT, log), "a") as errors:
        p = subprocess.Popen(pinned(cpu, command), stdout=stdout, stderr=errors)
    STARTED.append(p)
    return p


def stop(p):
    if p.poll() is None:
        p.terminate()
        try:
            p.wait(timeout=8)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()


def stop_all():
    for p in STARTED:
        stop(p)


def stop_on_signal():
    """SIGTERM unwinds like Ctrl-C, so that nothing is left running."""
    def leave(number, frame):
        raise SystemExit(128 + number)
    signal.signal(signal.SIGTERM, leave)


def is_port_free(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        return False
    except OSError:
        return True


def free_ports(count, base=9300):
    """The first of <count> ports in a row that nobody listens on."""
    for first in range(base, base + 1000, 20):
        if all(is_port_free(port) for port in range(first, first + count)):
            return first
    raise SystemExit("no free block of ports")


def wait_port(port, process, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if not is_port_free(port):
            return
        time.sleep(0.02)
    raise SystemExit(f"{process.args[3:5]}: nothing listens on {port}: see {OUT}/stderr.log")


def tree(pid):
    """A process and all below it."""
    found = [pid]
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                for child in f.read().split():
                    found += tree(int(child))
    except OSError:
        pass
    return found


def cpu_ns(pid):
    """Time on a core of all threads of a process and those below it."""
    total = 0
    for p in tree(pid):
        for task in os.listdir(f"/proc/{p}/task"):
            with open(f"/proc/{p}/task/{task}/schedstat") as f:
                total += int(f.read().split()[0])
    return total


def machine():
    """What the figures were taken on."""
    model = ""
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg(),
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def say_machine(raw):
    print(f"{raw['cpu']}, {raw['cores']} cores, Linux {raw['kernel']}")
    if raw["load"][0] > 0.7:
        print(f"this machine is busy (load {raw['load'][0]:.1f}): figures will scatter")


def keep(name, raw):
    """Writes the raw figures and says where."""
    path = os.path.join(OUT, name)
    with open(path + ".part", "w") as f:
        json.dump(raw, f, indent=1)
    os.replace(path + ".part", path)
    print(f"\nraw figures: {os.path.relpath(path, ROOT)}")
