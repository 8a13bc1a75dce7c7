"""Where the emotion stage's weights come from: conversion of the networks that see and hear, fitting of the head."""
