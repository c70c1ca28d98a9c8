"""Loads weights in all their formats: diffusers folders, original checkpoints, motion modules, VAEs and LoRAs.

`files` opens a file without executing code in it, `recognize` detects what it contains, `sources` converts what a model
entry names into tensors with diffusers' names, `modules` loads them into models, `lora` adds LoRAs.
"""
