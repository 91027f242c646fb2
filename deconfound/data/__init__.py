"""Sites: images, masks and groups from folders and manifests, folds, and a look for problems.

Readers of one dataset's own layout live with the recipe that needs them; here is what they share.
"""

from __future__ import annotations

from deconfound.data.augment import JointAugment
from deconfound.data.check import SiteReport, check_site
from deconfound.data.dataset import FolderDataset
from deconfound.data.duplicates import NearDuplicate, near_duplicates
from deconfound.data.folds import Fold, leave_one_site_out, split_by_group, split_samples
from deconfound.data.images import read_image, read_mask, read_pair
from deconfound.data.leakage import LeakageReport, SharedPicture, SplitLeak, check_leakage
from deconfound.data.manifest import read_manifest
from deconfound.data.masks import BinaryMask, ClassMask, LabelMask, MaskRule, NamedMask
from deconfound.data.pairing import image_files, pair_by_stem
from deconfound.data.polygons import PolygonMask
from deconfound.data.samples import Sample, Site, group_ids

__all__ = [
    "BinaryMask",
    "ClassMask",
    "Fold",
    "FolderDataset",
    "JointAugment",
    "LabelMask",
    "LeakageReport",
    "MaskRule",
    "NamedMask",
    "NearDuplicate",
    "PolygonMask",
    "Sample",
    "SharedPicture",
    "Site",
    "SiteReport",
    "SplitLeak",
    "check_leakage",
    "check_site",
    "group_ids",
    "image_files",
    "leave_one_site_out",
    "near_duplicates",
    "pair_by_stem",
    "read_image",
    "read_manifest",
    "read_mask",
    "read_pair",
    "split_by_group",
    "split_samples",
]
