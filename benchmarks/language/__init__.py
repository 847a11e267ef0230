"""What adapting the language model is worth, step by step, and what LoRA keeps of full fine-tuning."""
