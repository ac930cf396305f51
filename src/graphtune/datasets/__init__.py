"""Public data sets by name: found on this machine or fetched from their public source, never part of the package."""

from graphtune.datasets.download import dataset_info, fetch, list_datasets
from graphtune.datasets.load import Dataset, load_dataset
from graphtune.datasets.table import DatasetInfo, File

__all__ = ["Dataset", "DatasetInfo", "File", "dataset_info", "fetch", "list_datasets", "load_dataset"]
