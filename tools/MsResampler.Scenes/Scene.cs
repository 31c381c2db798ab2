namespace MsResampler.Scenes;

/// <summary>A canvas with a grid of garments.</summary>
internal sealed class Scene;
