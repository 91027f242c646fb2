"""Healthy walls: the folded tube of the colon, the ringed airway, the glottis between its folds."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from deconfound.simulation.camera import View
from deconfound.simulation.noise import colour, mix, ramp, read
from deconfound.simulation.scenes import Scenes
from deconfound.simulation.surface import Surface


def wall(scenes: Scenes, view: View, texture: Tensor) -> Surface:
    """Build the site's wall for every pixel of a view.

    Args:
        scenes: B scenes of one site.
        view: where the pixels look.
        texture: (B, 4, 64, 130), the scenes' fractal textures.
    """
    build = {"tube": _tube, "airway": _airway, "glottis": _glottis}[scenes.site.anatomy.kind]
    return build(scenes, view, texture)


def _polar(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the radius and the angle of a point, the radius never 0."""
    return (x.square() + y.square() + 1e-4).sqrt(), torch.atan2(y, x)


def _depth_light(radius: Tensor, lumen: Tensor) -> Tensor:
    """Light on a straight tube's wall: cosine of incidence over squared distance, softened.

    A wall point that appears at ``radius`` lies at a depth proportional to its inverse.
    """
    return (1 + (lumen / radius).square()) ** -1.6 * 1.25


def _mucosa(scenes: Scenes, mottle: Tensor, large: Tensor, small: Tensor, clear: Tensor) -> Tensor:
    """Colour of mucosa: the palette's wall, mottled pale, crossed by two sizes of vessels.

    Args:
        scenes: B scenes.
        mottle: (B, S, S) noise of unit deviation.
        large: (B, S, S) smooth noise, whose zero lines become large vessels.
        small: (B, S, S) noise, whose zero lines become small vessels.
        clear: (B, S, S), where vessels can be seen at all.
    """
    palette, anatomy = scenes.site.palette, scenes.site.anatomy
    hue = scenes.between("hue", -0.07, 0.07)[:, None]
    tint = torch.cat([1 + 0 * hue, 1 + hue, 1 + 1.5 * hue], dim=1)
    base = colour(palette.wall) * tint
    pale = ramp(mottle + scenes.between("paleness", -0.5, 0.5), -1.2, 2.2)
    albedo = mix(base, colour(palette.pale) * tint, 0.8 * pale[:, None])
    lines = (-(large / 0.13).square()).exp() * ramp(small, -0.6, 0.8)
    lines = torch.maximum(lines, 0.75 * (-(small / 0.17).square()).exp() * ramp(large, 0.0, 1.2))
    share = lines * clear * scenes.between("vessels", 0.6, 1.1) * anatomy.vessels
    return mix(albedo, colour(palette.vessel), share.clamp(0, 0.85)[:, None])


def _tube(scenes: Scenes, view: View, texture: Tensor) -> Surface:
    """Colon: crescent folds one behind the other, each hiding the wall behind its crest."""
    anatomy = scenes.site.anatomy
    far_x, far_y = view.x - view.lumen_x, view.y - view.lumen_y
    radius, angle = _polar(far_x, far_y)
    corner = (3 * (angle - scenes.between("taenia", 0, 2.1))).cos()
    radius = radius / (1 + 0.16 * corner * ramp(radius, 1.4, 0.1))
    around, along = angle / (2 * math.pi), radius.log() / math.pi
    rough, mottle, smooth, middle = read(texture, around, along)
    fine, grain, large, small = read(texture, around * 2, along * 2 + 0.37)
    bend = scenes.between("tilt", 0.15, 0.35)
    phase = anatomy.rings * scenes.between("rings", 0.8, 1.25) * radius.log2() + bend * smooth
    within = phase - phase.floor()
    hidden = within * ramp(within, 1.0, 0.9)  # behind the crest: dark; then an edge; then the face
    crest = (-((within - 0.08) / 0.08).square()).exp()
    relief = anatomy.relief * scenes.between("relief", 0.7, 1.15) * ramp(middle, -1.3, 0.6)
    lumen = anatomy.lumen * scenes.between("lumen", 0.8, 1.25) * view.zoom**0.9
    light = _depth_light(radius, lumen)
    light = light * (1 - 0.72 * relief * hidden + 0.2 * relief * crest)
    bumps = anatomy.roughness * scenes.between("rough", 0.6, 1.3)
    height = radius.clamp(max=1.2) * (bumps * (0.5 * fine + 0.6 * rough) + 0.02 * relief * crest)
    clear = ramp(radius, 0.2, 0.6)
    gloss = (anatomy.gloss * scenes.between("gloss", 0.5, 1.0)) * ramp(grain, -0.5, 1.5)
    return Surface(_mucosa(scenes, mottle, large, small, clear), light, height, gloss)


def _airway(scenes: Scenes, view: View, texture: Tensor) -> Surface:
    """Bronchus: pale cartilage rings, a flat membranous side, often two openings."""
    anatomy = scenes.site.anatomy
    roll = scenes.between("roll", 0, math.pi)
    apart = 0.34 * scenes.between("opening", -0.6, 1).clamp(min=0)
    x, y = view.x - view.lumen_x, view.y - view.lumen_y
    first, _ = _polar(x - apart * roll.cos(), y - apart * roll.sin())
    second, _ = _polar(x + apart * roll.cos(), y + apart * roll.sin())
    whole, angle = _polar(x, y)
    radius = mix(torch.minimum(first, second), whole, ramp(whole, 0.25, 0.75))
    around, along = angle / (2 * math.pi), radius.log() / math.pi
    rough, mottle, smooth, middle = read(texture, around, along)
    fine, grain, large, small = read(texture, around * 2, along * 2 + 0.37)
    membrane = ramp((angle - scenes.between("membrane", 0, 6.28)).cos(), 0.55, 0.85)
    phase = anatomy.rings * scenes.between("rings", 0.8, 1.2) * radius.log2() + 0.12 * smooth
    ring = 0.5 + 0.5 * (2 * math.pi * phase).cos()
    ring = ring * (1 - membrane) * ramp(middle, -2.2, -0.2)
    lumen = anatomy.lumen * scenes.between("lumen", 0.85, 1.2) * view.zoom**0.9
    narrow = lumen * (1 - 0.35 * (apart > 0.05).float())
    relief = anatomy.relief * scenes.between("relief", 0.7, 1.2)
    light = _depth_light(radius, narrow) * (1 - relief * 0.5 * (1 - ring) * (1 - membrane))
    stripes = membrane * (3 * angle + 26 * around + 2.5 * smooth).sin()
    bumps = anatomy.roughness * scenes.between("rough", 0.6, 1.3)
    height = radius.clamp(max=1.2) * (bumps * (0.5 * fine + 0.4 * rough) + 0.05 * ring)
    height = height + 0.008 * stripes
    albedo = _mucosa(scenes, mottle + 1.3 * ring - 0.6, large, small, ramp(radius, 0.25, 0.6))
    gloss = (anatomy.gloss * scenes.between("gloss", 0.5, 1.0)) * ramp(grain, -0.5, 1.5)
    return Surface(albedo, light, height, gloss)


def _glottis(scenes: Scenes, view: View, texture: Tensor) -> Surface:
    """Larynx: the dark V between white vocal folds, the red false folds beside them."""
    anatomy = scenes.site.anatomy
    roll = scenes.between("roll", -0.5, 0.5)
    x, y = view.x - view.lumen_x, view.y - view.lumen_y
    x, y = x * roll.cos() + y * roll.sin(), y * roll.cos() - x * roll.sin()
    rough, mottle, smooth, middle = read(texture, x * 0.22 + 0.5, y * 0.44 + 0.5)
    fine, grain, large, small = read(texture, x * 0.4 + 0.2, y * 0.8 + 0.1)
    side = x.abs() + 0.02 * smooth
    behind = (y + 0.75).clamp(min=0)  # distance from the front commissure, where the folds meet
    closing = ramp(y, 1.05, 0.55)
    half = scenes.between("opening", 0.12, 0.34) * behind * closing * (0.7 + anatomy.lumen)
    band = (0.16 + 0.05 * behind) * closing
    inside = ramp(side - half, 0.015, -0.03)
    fold = (
        ramp(side - half, -0.01, 0.03)
        * ramp(side - half - band, 0.03, -0.02)
        * ramp(y, -0.85, -0.6)
    )
    groove = (-((side - half - band - 0.035) / 0.035).square()).exp() * ramp(y, -0.8, -0.4)
    ridge = (-((side - half - band - 0.2) / 0.13).square()).exp()
    radius, _ = _polar(x * 0.9, y * 0.75)
    radius = radius / view.zoom.clamp(min=1) ** 0.75
    light = 1.12 * ramp(radius, 1.75, 0.1) ** 0.7 * (1 - 0.94 * inside) * (1 - 0.55 * groove)
    bumps = anatomy.roughness * scenes.between("rough", 0.6, 1.3)
    across = (side - half - band * 0.5) / band.clamp(min=0.02)
    height = bumps * (0.5 * fine + 0.8 * rough) * (1 - 0.85 * fold)
    height = (
        height + 0.10 * anatomy.relief * ridge + 0.05 * fold * (1 - across.square()).clamp(min=0)
    )
    albedo = _mucosa(scenes, mottle, large, small, 1 - 0.8 * fold)
    white = colour(scenes.site.palette.pale)
    albedo = mix(albedo, white, 0.85 * (fold * (0.93 + 0.06 * middle)).clamp(0, 1)[:, None])
    gloss = anatomy.gloss * scenes.between("gloss", 0.5, 1.0) * ramp(grain, -0.5, 1.5)
    return Surface(albedo, light, height, gloss * (1 - inside))
