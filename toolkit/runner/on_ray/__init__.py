"""A run on a Ray cluster: `toolkit run R --on ray`.

spec      what is asked for: workers, processors, GPUs, the cluster's address
cluster   connected to, or started here; what there is, and whether it suffices
worker    an actor on a node, which starts one rank of the run as a process
group     the actors of one attempt: placed, compared, started, waited for
launch    attempts, until the run has ended: after a loss of workers, it is resumed

A rank is the process that torchrun would start: it finds RANK, WORLD_SIZE and MASTER_ADDR in its
environment and knows nothing of Ray. Ray places it, watches its node, and places it anew.
"""
