"""A token goes round all processes, then they compute pi together: the area under 4 / (1 + x²) between 0 and 1."""

import socket
import sys

from mpi4py import MPI

world = MPI.COMM_WORLD
rank, size = world.Get_rank(), world.Get_size()
strips = int(sys.argv[1])

if rank == 0:
    world.send([rank], dest=1 % size)
    token = world.recv(source=size - 1)
else:
    token = world.recv(source=rank - 1)
    world.send([*token, rank], dest=(rank + 1) % size)

width = 1 / strips
area = sum(4 / (1 + ((index + 0.5) * width) ** 2) for index in range(rank, strips, size)) * width
pi = world.reduce(area)
hosts = world.gather(socket.gethostname())
if rank == 0:
    print("token:", *token)
    print("nodes:", *hosts)
    print(f"pi: {pi:.10f}", flush=True)
