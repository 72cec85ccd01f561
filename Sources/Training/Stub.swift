let architectureNames = ["unet", "unet-keras"]
