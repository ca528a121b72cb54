"""A network of hosts on one machine: network namespaces with an address, a host name and a cable of limited rate each.

    hub        a bridge, and mpirun
    host 1     eth0 10.77.0.1 --- cable --- bridge
    host 2     eth0 10.77.0.2 --- cable --- bridge
    ...

Every host sends through a token bucket filter (tc-tbf), so its cable has that rate in the direction from the host. No
signal but SIGKILL leaves a namespace or a process.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

tools = "ip", "tc", "unshare", "mpirun"
longest_run_seconds = 600  # ends a run that hangs
ending_signals = signal.SIGINT, signal.SIGTERM, signal.SIGHUP

# Open MPI starts its daemon on a host with this command, as with ssh: AGENT ADDRESS COMMAND...
agent_text = """#!/bin/sh
host=${{1##*.}}; shift
exec ip netns exec {name}-$host unshare --uts sh -c "hostname host-$host; $*"
"""


class NoNetwork(Exception):
    """This machine cannot have such a network. One sentence."""


class NetworkError(Exception):
    """A program on the network failed. One sentence."""


def missing():
    """What this machine lacks for a network, in one sentence; None if nothing is known to be missing."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    absent = [tool for tool in tools if not shutil.which(tool)]
    if absent:
        return f"there is no {absent[0]}"

    # The filter in a namespace that ends with the command
    limit = ["tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "1mbit", "burst", "16kb", "latency", "20ms"]
    answer = subprocess.run(["unshare", "--net", "--mount", *limit], capture_output=True, text=True)
    return None if answer.returncode == 0 else f"a rate limit in a network namespace fails with {answer.stderr.strip()!r}"


def call(*command):
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode != 0:
        raise NoNetwork(f"{' '.join(command)} fails with {answer.stderr.strip()!r}")


def end_by_signal(number, frame):
    for each in ending_signals:  # a second signal must not end the cleaning
        signal.signal(each, signal.SIG_IGN)
    raise SystemExit(128 + number)


class Network:
    """A context: the hosts exist inside of it."""

    def __init__(self, hosts):
        self.name = f"ringattn-{os.getpid()}"
        self.hosts = [f"{self.name}-{host}" for host in range(1, hosts + 1)]
        self.hub = f"{self.name}-hub"
        self.addresses = [f"10.77.0.{host}" for host in range(1, hosts + 1)]

    def __enter__(self):
        for each in ending_signals:
            signal.signal(each, end_by_signal)
        self.directory = tempfile.TemporaryDirectory(prefix="ringattn-network-")
        try:
            self._connect()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *failure):
        self._remove()

    def _connect(self):
        # The hub, with a bridge that connects all cables
        call("ip", "netns", "add", self.hub)
        call("ip", "-n", self.hub, "link", "add", "bridge", "type", "bridge")
        call("ip", "-n", self.hub, "addr", "add", "10.77.0.254/24", "dev", "bridge")
        for device in "lo", "bridge":
            call("ip", "-n", self.hub, "link", "set", device, "up")

        # The hosts
        for host, address in zip(self.hosts, self.addresses):
            port = "port" + address.rsplit(".", 1)[1]
            call("ip", "netns", "add", host)
            call("ip", "-n", self.hub, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host)
            call("ip", "-n", self.hub, "link", "set", port, "master", "bridge", "up")
            call("ip", "-n", host, "addr", "add", address + "/24", "dev", "eth0")
            for device in "lo", "eth0":
                call("ip", "-n", host, "link", "set", device, "up")

        # The command that starts a process on a host
        self.agent = self.path / "agent"
        self.agent.write_text(agent_text.format(name=self.name))
        self.agent.chmod(0o700)

    @property
    def path(self):
        return Path(self.directory.name)

    def set_rate(self, megabits):
        """The rate of every cable, in 10^6 bits per second."""
        # A burst of 2 ms and a queue of 20 ms: a longer queue would only delay the acknowledgements of TCP
        burst = max(16384, int(megabits * 1e6 / 8 * 0.002))
        for host in self.hosts:
            call("tc", "-n", host, "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", f"{megabits * 1e6:.0f}bit",
                 "burst", str(burst), "latency", "20ms")  # fmt: skip

    def mpirun(self, *program):
        """Runs one process of a program on each host, which reach each other over TCP only."""
        options = ["--mca", "plm_rsh_agent", str(self.agent), "--mca", "pml", "ob1", "--mca", "btl", "tcp,self",
                   "--bind-to", "none", "--host", ",".join(self.addresses), "-n", str(len(self.hosts))]  # fmt: skip
        environment = os.environ | {
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            "TMPDIR": str(self.path),
            "HWLOC_COMPONENTS": "-gl",  # no search for GPUs on X displays, whose end would end mpirun
        }
        # In its own session, so that Ctrl-C reaches this process only, which ends the others
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.hub, "mpirun", *options, *map(str, program)],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True)  # fmt: skip
        try:
            _, errors = process.communicate(timeout=longest_run_seconds)
        except subprocess.TimeoutExpired:
            raise NetworkError(f"[network] a run must end within {longest_run_seconds} s; found one that did not") from None
        if process.returncode != 0:
            raise NetworkError(f"[network] all processes must succeed; found {errors.strip()[-600:]!r}")

    def _remove(self):
        for namespace in [self.hub, *self.hosts]:
            self._end_processes(namespace)
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True)
        self.directory.cleanup()

    @staticmethod
    def _end_processes(namespace):
        """Ends all processes of a namespace; they may start others in the meantime."""
        while pids := subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True).stdout.split():
            for pid in pids:
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    self._end_processes(namespace)
            time.sleep(0.02)
