"""A search over a recipe's settings: `sweep.py` is the page to read first.

spaces     (toolkit/recipe/spaces.py) which values are tried; `given` reads them
checking   spaces compared with recipe, scenario and method, before anything is trained
suggest    the values of the next trial: random, TPE, grid
engine     runs one trial and reports its scores on validation; here a process of this machine
prune      which trials are stopped early
sweep      the loop around them, its record, and the chosen trial scored on test
"""
