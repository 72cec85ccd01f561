"""Side-by-side measurements of unet-mpi, PyTorch and oneDNN, and the page that they become. Standard library only."""
