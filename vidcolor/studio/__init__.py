"""A local web page to set known colours, shots and looks by eye: ``vidcolor studio``.

::

    serve -> guard -> routes -> session -> film, pictures, decisions, keeping, orders, work, made
                      queries, uploads     confinement

All state is the server's, and there is one of it: every tab shows the same film. What a tab asks
for is one small change (a hint more, another saturation), never "all as I have it", so no tab can
undo what another did without being told; and each hears of every change at once.
"""
