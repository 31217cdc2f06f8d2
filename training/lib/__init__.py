"""Parts that training stages share: configs, lists, sequences, networks, answers, rewards."""
