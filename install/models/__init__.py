"""The catalogue of models: shows it, gets models and takes them away, and looks whether their files are whole."""
