"""Ready-made templates by the million: from files into the database and Milvus, and back.

`parquet.py` and `npy.py` read, `checks.py` judges rows, `matching.py` finds whose they are,
`loading.py` loads them chunk by chunk, `exporting.py` is the way back.
"""
