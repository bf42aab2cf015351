"""Dask clusters, through Dask's own client."""
