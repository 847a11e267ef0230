"""How near the optimum, how fast and in how much memory: the planner beside HiGHS and CP-SAT on the same campaigns."""
