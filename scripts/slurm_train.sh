#!/usr/bin/env bash
# Train under Slurm, one process for each GPU on any number of nodes; goes on by itself after a time limit or preemption.
#
#   sbatch scripts/slurm_train.sh [flags of train.py]       one GPU; submit in the root of the repository
#   sbatch --nodes=2 --gpus-per-node=8 --ntasks-per-node=8 --time=24:00:00 scripts/slurm_train.sh --name mine ...
#
# --ntasks-per-node must be the number of GPUs of a node. All nodes must see the repository with its .venv, the data and
# the folder of checkpoints (--checkpoints_dir) under the same paths. Make .venv before: nodes may have no internet.
# The same command submitted again goes on with the run; so does the job itself, five minutes before its time limit,
# after preemption and after the loss of a node. sbatch --signal=B:USR1@600 gives more time to save.
# SPADE_PYTHON=/path/to/python uses an environment of your own.
#
#SBATCH --job-name=spade
#SBATCH --nodes=1
#SBATCH --gpus-per-node=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@300
# B: tells this shell alone. At the limit itself Slurm signals the tasks, but the job is over by then: too late to
# requeue it, and KillWait (30 seconds) may be too short to save in.
set -euo pipefail

# Slurm runs a copy of this file from a folder of its own, in the folder that the job was submitted in.
if [ ! -f train.py ]; then
    echo "slurm_train: no train.py in $PWD; submit in the root of the repository, or with sbatch --chdir=ROOT" >&2
    exit 2
fi
tasks_per_node=${SLURM_NTASKS_PER_NODE:-1} gpus=${SLURM_GPUS_ON_NODE:-}
if [ -n "$gpus" ] && [ "$gpus" -ne "$tasks_per_node" ]; then
    echo "slurm_train: $tasks_per_node tasks for the $gpus GPUs of a node; use sbatch --ntasks-per-node=$gpus" >&2
    exit 2
fi
source scripts/setup.sh
setup_venv requirements.txt

mapfile -t hosts < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
export MASTER_ADDR=${hosts[0]}                              # Slurm puts task 0 on the first host
export MASTER_PORT=$((10000 + SLURM_JOB_ID % 20000))        # below the ports that systems hand out themselves
export WORLD_SIZE=$SLURM_NTASKS LOCAL_WORLD_SIZE=$tasks_per_node
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}                # as torchrun has it: loader workers need the other cores

# What every task runs. exec: Slurm's signals reach Python itself. SIGTERM is ignored until train.py listens to it, so
# that status 143 can only mean that train.py has saved, and not that a process was ended while it started.
task='trap "" TERM; export RANK=$SLURM_PROCID LOCAL_RANK=$SLURM_LOCALID; exec "$@"'

# Shells run traps while they `wait`, not while a program runs in the foreground.
signalled=
stop_training() {
    signalled=yes
    echo "slurm_train: the time limit is near; the training saves and ends"
    scancel --signal=TERM "$SLURM_JOB_ID" # reaches the tasks, not this shell; srun would not pass a SIGTERM on
}
trap stop_training USR1
trap 'signalled=yes' TERM # the end of a job reaches this shell too, which must outlive its tasks: they are saving

# Every process chooses its GPU by LOCAL_RANK, so all must see all. --cpus-per-task: srun forgets what sbatch was told.
srun --kill-on-bad-exit=1 --gpu-bind=none --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
    bash -c "$task" task "${SPADE_PYTHON:-.venv/bin/python}" train.py --auto_resume "$@" &
signalled=yes
while [ -n "$signalled" ]; do # a signal ends `wait` early
    signalled='' status=0
    wait $! || status=$?
done

# srun has the highest status of all tasks; 143 is what train.py says when SIGTERM made it save and end: before the time
# limit, or because Slurm wants the GPUs for others (preemption with a grace time). A job that was cancelled, is past its
# limit or has been requeued by Slurm itself is not RUNNING any more, and stays as it is.
if [ "$status" -eq 143 ] && [[ "$(scontrol show job "$SLURM_JOB_ID")" == *JobState=RUNNING* ]]; then
    echo "slurm_train: saved; the job takes its place in the queue again and then goes on"
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
