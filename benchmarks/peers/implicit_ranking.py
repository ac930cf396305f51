"""implicit's full ranking on one thread, what users took left out.

Arguments: factors.npz (user [U, D], item [T, D], indptr and indices of what users took), k, where to save the lists.
With `train` in place of the last two and the dim: BPR factors of these users and items are made and saved instead, the
last number of an item being its bias. Prints JSON.
"""

import json
import os
import sys
import time

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))
import numpy as np
from implicit.cpu.bpr import BayesianPersonalizedRanking
from scipy.sparse import csr_matrix

path, *words = sys.argv[1:]
data = dict(np.load(path))
shape = int(data["users"]), int(data["items"])
taken = csr_matrix((np.ones(len(data["indices"]), np.float32), data["indices"], data["indptr"]), shape=shape)
if words[0] == "train":
    model = BayesianPersonalizedRanking(
        factors=int(words[1]) - 1, iterations=int(words[2]), learning_rate=0.1, num_threads=1, random_state=0
    )
    model.fit(taken, show_progress=False)
    np.savez(path, **{**data, "user": model.user_factors, "item": model.item_factors})
    print(json.dumps({"dim": model.user_factors.shape[1]}))
else:
    model = BayesianPersonalizedRanking(factors=data["user"].shape[1] - 1, num_threads=1)
    model.user_factors, model.item_factors = data["user"], data["item"]
    who, k = np.arange(shape[0]), int(words[0])
    model.recommend(who[:200], taken[:200], N=k)
    begin = time.process_time()
    lists, _ = model.recommend(who, taken, N=k, filter_already_liked_items=True)
    took = time.process_time() - begin
    np.save(words[1], lists)
    print(json.dumps({"speed": shape[0] / took}))
