"""Clusters of Dask, through Dask's own client."""
