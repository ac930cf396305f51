"""Public data sets by name: found on this machine or fetched from their public source, never part of the package."""

from graphtune.datasets.download import dataset_info, fetch, list_datasets
from graphtune.datasets.info import DatasetInfo, File
from graphtune.datasets.load import Dataset, load_dataset

__all__ = ["Dataset", "DatasetInfo", "File", "dataset_info", "fetch", "list_datasets", "load_dataset"]
