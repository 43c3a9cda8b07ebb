"Everything that can be said about the package stands in `settings.ini`; this file only passes it on."
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

here = Path(__file__).parent
cfg = ConfigParser(delimiters=['='], comment_prefixes=('#', ';'))
cfg.read(here/'settings.ini', encoding='utf-8')
cfg = cfg['DEFAULT']

class WithoutScripts(build_py):
    "The scripts in `weights/` make and check the weights; they are no part of the package."
    def find_package_modules(self, package, folder): return [] if package.endswith('.pretrained') else super().find_package_modules(package, folder)

setup(
    cmdclass=dict(build_py=WithoutScripts),
    name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'],
    long_description=(here/'README.md').read_text(encoding='utf-8'), long_description_content_type='text/markdown',
    author=cfg['author'], author_email=cfg['author_email'], url=cfg['git_url'], license='Apache-2.0', license_files=['LICENSE'],
    python_requires=f">={cfg['min_python']}", install_requires=cfg['requirements'].split(),
    extras_require={e: cfg[f'{e}_requirements'].split() for e in cfg['extras'].split()},
    entry_points=dict(console_scripts=cfg['console_scripts'].split('\n'), nbdev=[f"{cfg['lib_name']}={cfg['lib_path']}._modidx:d"]),
    # The weights live at the top level of the checkout and travel inside the wheel.
    packages=find_packages(include=[cfg['lib_path'], f"{cfg['lib_path']}.*"]) + [f"{cfg['lib_path']}.pretrained"],
    package_dir={f"{cfg['lib_path']}.pretrained": 'weights'},
    package_data={f"{cfg['lib_path']}.pretrained": ['*.safetensors', 'README.md']},
    include_package_data=False, zip_safe=False,
    classifiers=['Development Status :: 3 - Alpha', 'Intended Audience :: Manufacturing', 'Intended Audience :: Science/Research',
                 'Programming Language :: Python :: 3', 'Topic :: Scientific/Engineering :: Image Recognition'])
