"""Parts shared by training stages: configs, token sequences, losses, rewards, devices."""
