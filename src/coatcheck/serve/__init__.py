"""`coatcheck serve`: a gate beside any application, whatever it is written in.

A proxy asks it about each request (`gate.py`), browsers get the JSON API from it, back ends the internal API
(`service.py`). It is made of `Settings`, its own options are `[serve]`.
"""
