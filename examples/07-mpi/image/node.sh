#!/bin/sh
# What every node runs: the main node starts the program on all of them, the others let it in.
set -eu

if [ "$AWS_BATCH_JOB_NODE_INDEX" != "$AWS_BATCH_JOB_MAIN_NODE_INDEX" ]; then
    mkdir -p /run/sshd
    exec /usr/sbin/sshd -D -e -p 2222
fi

: > /tmp/hosts
node=0
while [ "$node" -lt "$AWS_BATCH_JOB_NUM_NODES" ]; do
    # The name exists as soon as the node's pod has an address.
    until address=$(getent ahostsv4 "node-$node.$BATCHYARD_JOB_NODE_DOMAIN" | cut -d ' ' -f 1 | head -n 1) && [ "$address" ]; do
        sleep 0.2
    done
    if [ "$node" != "$AWS_BATCH_JOB_MAIN_NODE_INDEX" ]; then
        until ssh "$address" true 2>/dev/null; do
            sleep 0.2
        done
    fi
    echo "$address slots=1" >> /tmp/hosts
    node=$((node + 1))
done

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
exec mpirun --hostfile /tmp/hosts \
    --mca btl tcp,self --mca btl_tcp_if_include eth0 --mca oob_tcp_if_include eth0 \
    python3 /opt/mpi/pi.py "$@"
