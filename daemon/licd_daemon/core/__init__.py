"""The functional core: pure decisions over values.

No I/O, no asyncio, no clock, no randomness, no grpc: all of them arrive as arguments. An import contract guards it.
"""
