"""The rows of the README's table of results: what is told of which figures. `tables.py` fills them in.

Published figures are those that the benchmarks themselves name.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One line: what is measured, what came out, as a format of the figures, and the file of results they are in."""

    what: str
    found: str
    file: str


FIELDS: dict[str, list[Row]] = {
    "Social networks": [
        Row(
            "Skip-gram, pairs a second at the same F1 as gensim; of a graph of a million nodes",
            "**{pairs_per_s_ratio_gensim:.1f}x gensim**; {pairs_per_s_ratio_gensim_1m:.1f}x",
            "skipgram",
        ),
        Row(
            "DeepWalk from edges to vectors, BlogCatalog; micro-F1 at 50 % beside gensim's",
            "**{end_to_end_ratio_gensim:.1f}x gensim**, {end_to_end_ratio_pecanpy:.1f}x PecanPy, "
            "{end_to_end_ratio_grape:.1f}x GRAPE; {micro_f1_50:.3f}, {gensim_micro_f1_50:.3f}",
            "deepwalk",
        ),
        Row(
            "Second-order walks of node2vec",
            "**{second_order_ratio_pecanpy:.0f}x PecanPy**, {second_order_ratio_fastnode2vec_per_thread:.1f}x "
            "fastnode2vec a thread",
            "walks",
        ),
        Row(
            "Closed form, BlogCatalog: micro-F1 at 50 % beside NetMF's own code, and its time",
            "**{micro_f1_50:.3f}**, {netmf_micro_f1_50:.3f}; {time_ratio_netmf:.1f}x faster",
            "closed_forms",
        ),
        Row(
            "Link prediction, AUC on Facebook and AstroPh; over node2vec's published",
            "**{auc_facebook:.4f}**, **{auc_astroph:.4f}**; +{auc_facebook_over_published:.3f}, "
            "+{auc_astroph_over_published:.3f}",
            "link_prediction",
        ),
        Row(
            "Communities of Cora and of football's conferences, NMI; Leiden with the same number of them",
            "**{cora_combined_nmi:.3f}**, {football_combined_nmi:.3f}; {cora_leiden_k_nmi:.3f}, "
            "{football_leiden_k_nmi:.3f}",
            "communities",
        ),
        Row(
            "DeepWalk on 100 million edges",
            "{minutes_100m_edges:.1f} minutes, {peak_gib_100m_edges:.1f} GiB",
            "scaling",
        ),
    ],
    "Recommenders": [
        Row(
            "LightGCN, interactions a second, Gowalla",
            "**{lightgcn_ratio_pyg_csr:.1f}x PyG** with CSR, {lightgcn_ratio_pyg:.0f}x with edge_index",
            "rec_speed",
        ),
        Row(
            "BPR-MF, interactions a second; Recall@20 beside implicit's",
            "**{bpr_ratio_implicit:.1f}x implicit**, {bpr_ratio_torch:.0f}x plain torch; {bpr_recall_20:.3f}, "
            "{implicit_recall_20:.3f}",
            "rec_speed",
        ),
        Row(
            "Full ranking with metrics; the metrics alone",
            "**{ranking_ratio_implicit:.1f}x implicit**; {metrics_ratio_torchmetrics:.0f}x torchmetrics",
            "rec_speed",
        ),
        Row(
            "Gowalla, Recall@20 / NDCG@20 of one model on two cores; LightGCN's published: .1830 / .1554",
            "**{recall_20:.4f} / {ndcg_20:.4f}** in {minutes:.0f} minutes",
            "rec_quality_gowalla",
        ),
        Row(
            "Gowalla, fused; the best published, BSPM-EM: .1920 / .1597",
            "{fused_recall_20:.4f} / {fused_ndcg_20:.4f}",
            "rec_quality_gowalla_fused",
        ),
        Row(
            "LastFM, fused; GF-CF, measured: .2706 / .2084",
            "**{fused_recall_20:.4f} / {fused_ndcg_20:.4f}**",
            "rec_quality_lastfm_members",
        ),
        Row(
            "Users who come after training: share of the NDCG@20 of training anew with them",
            "**{ndcg_20_of_retrained:.3f}**, in seconds",
            "rec_cold_lastfm",
        ),
        Row(
            "A million users, 100 thousand items, 20 million events",
            "{minutes:.1f} minutes, {peak_gib:.1f} GiB",
            "rec_scaling",
        ),
    ],
    "Knowledge graphs": [
        Row(
            "ComplEx with all entities (full softmax), triples a CPU-second, FB15k-237: N3 in both; in ours alone",
            "**{train_ratio_pykeen_n3:.0f}x PyKEEN**; {train_ratio_pykeen:.0f}x",
            "kg_speed",
        ),
        Row(
            "256 negatives: ComplEx, RotatE, TransE; the faster of PyKEEN and TorchKGE",
            "**{negatives_ratio_complex:.0f}x**, {negatives_ratio_rotate:.0f}x, {negatives_ratio_transe:.0f}x",
            "kg_speed_negatives",
        ),
        Row(
            "Filtered evaluation of FB15k-237; peak memory of the whole run",
            "**{evaluation_ratio_pykeen:.0f}x PyKEEN**; 1/{memory_ratio_pykeen:.1f} of its",
            "kg_speed",
        ),
        Row(
            "CPU-minutes to a test MRR of .348 on FB15k-237, LibKGE's ComplEx; PyKEEN by its seconds an epoch",
            "**{cpu_minutes_to_348:.1f}**; {pykeen_cpu_minutes_extrapolated:.0f}",
            "kg_time_to_mrr",
        ),
        Row(
            "FB15k-237, test MRR: ComplEx; fused. Published: N3 .37, LibKGE .348",
            "{complex_mrr:.3f}; **{fused_mrr:.3f}**",
            "kg_quality_fb15k-237",
        ),
        Row(
            "WN18RR, test MRR: ComplEx; path ranking; fused. Published: N3 .49, LibKGE .475",
            "{complex_mrr:.3f}; {pathranking_mrr:.3f}; **{fused_mrr:.3f}**",
            "kg_quality_wn18rr",
        ),
        Row(
            "CoDEx-S, test MRR: ComplEx; fused. Published: N3-RP .473, LibKGE .465",
            "{complex_mrr:.3f}; **{fused_mrr:.3f}**",
            "kg_quality_codex-s",
        ),
        Row(
            "FB15k-237, test MRR: DistMult, RotatE, TransE. LibKGE: .343, .333, .313",
            "**{distmult_mrr:.3f}**, **{rotate_mrr:.3f}**, **{transe_mrr:.3f}**",
            "kg_quality_fb15k-237",
        ),
        Row(
            "UMLS, test MRR: ComplEx; path ranking; fused",
            "{complex_mrr:.3f}; {pathranking_mrr:.3f}; **{fused_mrr:.3f}**",
            "kg_quality_umls",
        ),
        Row("Kinship, test MRR: ComplEx", "**{mrr:.3f}**", "kg_quality_kinship"),
    ],
    "The engine": [
        Row(
            "Runs killed at every point where something is saved: gone on to the same bits",
            "**{bit_identical:.0f} of {kills:.0f}**",
            "kill_points",
        ),
        Row("Reading 10 million edges under their own ids", "**{ratio_pandas:.1f}x pandas**", "reading"),
    ],
}
