"""implicit's BPR on pairs of users and items: FILE EPOCHS LR REGULARIZATION OUT.

FILE is an .npz of `train` [2, E], `users` and `items`; OUT becomes one of its factors `user` and `item`, whose last
numbers are 1 and the item's bias.
"""

import json
import os
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as implicit asks

import numpy as np
import scipy.sparse as sp
from implicit.cpu.bpr import BayesianPersonalizedRanking

file, epochs, lr, regularization, out = sys.argv[1:]
data = np.load(file)
user, item = data["train"]
taken = sp.csr_matrix((np.ones(len(user), np.float32), (user, item)), shape=(int(data["users"]), int(data["items"])))
model = BayesianPersonalizedRanking(
    factors=64,
    learning_rate=float(lr),
    regularization=float(regularization),
    iterations=int(epochs),
    num_threads=len(os.sched_getaffinity(0)),
    random_state=0,
)
begin = time.perf_counter()
model.fit(taken, show_progress=False)
seconds = time.perf_counter() - begin
np.savez(out, user=model.user_factors, item=model.item_factors)
print(json.dumps({"seconds": seconds, "speed": int(epochs) * len(user) / seconds}))
