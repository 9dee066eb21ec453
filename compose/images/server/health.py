"""Asks the model server for /health through its unix socket; exit status 0 when it answers 200.

    python -S /mlx/server/health.py

Runs every few seconds, so it imports nothing but sockets.
"""

import os
import socket
import sys


def main() -> int:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(4)
        try:
            connection.connect(os.environ.get("MLX_SOCKET", "/run/mlx/vllm.sock"))
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = connection.recv(64)
        except OSError as error:
            sys.stdout.write(f"no answer: {error}\n")
            return 1
    sys.stdout.write(answer.split(b"\r\n")[0].decode(errors="replace") + "\n")
    return 0 if b" 200 " in answer else 1


if __name__ == "__main__":
    sys.exit(main())
