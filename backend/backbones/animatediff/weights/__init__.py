"""Reads the weights that people bring: diffusers folders, original checkpoints, motion modules, VAEs and LoRAs.

`files` opens a file without running anything in it, `recognize` says what it is, `sources` turns what an entry names
into tensors with diffusers' names, `modules` fills models with them, `lora` adds LoRAs.
"""
