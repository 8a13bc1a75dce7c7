"""Where the emotion stage's weights come from: conversion of the image network, fitting of the head."""
