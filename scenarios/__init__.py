"""Where worlds come from: loaders, the generator, the store and export."""
