"""The plug-in `PtychoPINN-Torch` of ptychodus: its settings, its calls and its model file."""
