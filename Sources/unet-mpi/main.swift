print("unet-mpi")
