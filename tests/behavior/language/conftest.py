import pytest
from tests.behavior.language.shops import save_decoder, save_encoder

from flashlift.behavior.language import LanguageModel


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def minilm():
    return LanguageModel.load(precision="fp32")


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory):
    return save_encoder(tmp_path_factory.mktemp("models") / "encoder")


@pytest.fixture(scope="session")
def encoder(encoder_folder):
    return LanguageModel.load(encoder_folder, precision="fp32")


@pytest.fixture(scope="session")
def decoder(tmp_path_factory):
    return LanguageModel.load(save_decoder(tmp_path_factory.mktemp("models") / "decoder"), precision="fp32")
