"""The API server: what it can be asked (`protocol`), of which kinds (`resources`), with what `errors`.

`client` is the one production implementation; everything above this package knows only `protocol.KubeApi`.
"""
