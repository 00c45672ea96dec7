"""Analyses an archive on many machines with Dask: plan, analyse in shards, merge. It needs the extra `cluster`.

    plan    each file of the archive, with its size, start, duration and shard  OUT/plan.parquet
    run     a worker analyses the files of one shard                            OUT/parts/KEY.jsonl.gz
    merge   the parts, in the order of the plan, into a journal and tables      OUT/*.parquet, OUT/journal.db

Only the client writes to OUT, so the workers need no common disk for results. A part has its name only when it is
complete, and the name follows from the files, the model and the settings. So a second run repeats nothing.
"""
