"""Watches every process of a command for use of the network.

(A socket as such may be made: urllib3 finds out at import whether this machine can bind an IPv6 address.)
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

#: Stands before the C library in every process of the command, and notes each use of the network that is asked for.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void note(const char *what) {
    int log = open(getenv("SOCKET_LOG"), O_WRONLY | O_APPEND | O_CREAT, 0644);
    dprintf(log, "%d %s\n", getpid(), what);
    close(log);
}

static int is_network(const struct sockaddr *to) {
    return to && (to->sa_family == AF_INET || to->sa_family == AF_INET6);
}

int connect(int s, const struct sockaddr *to, socklen_t size) {
    if (is_network(to)) note("connects");
    return ((int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect"))(s, to, size);
}

ssize_t sendto(int s, const void *b, size_t n, int f, const struct sockaddr *to, socklen_t size) {
    if (is_network(to)) note("sends");
    return ((ssize_t (*)(int, const void *, size_t, int, const struct sockaddr *, socklen_t))
        dlsym(RTLD_NEXT, "sendto"))(s, b, n, f, to, size);
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    if (node && !(hints && hints->ai_flags & AI_NUMERICHOST)) note(node);
    return ((int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))
        dlsym(RTLD_NEXT, "getaddrinfo"))(node, service, hints, found);
}

__attribute__((constructor)) static void began(void) {
    char name[256] = {0};
    int self = open("/proc/self/cmdline", O_RDONLY);
    ssize_t size = read(self, name, sizeof name - 1);
    for (ssize_t i = 0; i < size; i++) if (!name[i]) name[i] = ' ';
    close(self);
    int log = open(getenv("PROCESS_LOG"), O_WRONLY | O_APPEND | O_CREAT, 0644);
    dprintf(log, "%s\n", name);
    close(log);
}
"""


def watch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, ``folder/network`` takes what goes to the network, ``folder/processes`` the commands started."""
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    (folder / "watch.c").write_text(SHIM)
    library = folder / "watch.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, folder / "watch.c", "-ldl"], check=True)
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("SOCKET_LOG", str(folder / "network"))
    monkeypatch.setenv("PROCESS_LOG", str(folder / "processes"))
    monkeypatch.setenv("LD_PRELOAD", str(library))
