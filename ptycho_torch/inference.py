"""`ptycho_inference` under the module name that PtychoPINN users know."""

from ptycho_torch.cli.infer import main

if __name__ == "__main__":
    raise SystemExit(main())
