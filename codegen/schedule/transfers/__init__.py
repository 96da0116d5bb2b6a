"""Transfers: weight and activation tiles by DMA, with waits and cache maintenance."""
