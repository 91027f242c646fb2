"""The bundled small vision-language model: how it is trained, and how good it is."""
