namespace MsResampler.Scenes;

/// <summary>A cell of a scene.</summary>
/// <param name="Garment">The index of the garment in its set, or −1 for an empty cell.</param>
/// <param name="Class">The class of the garment.</param>
/// <param name="IsMirrored">Whether the garment is mirrored: left and right are exchanged.</param>
/// <param name="RowShift">The shift of the garment from the middle of the cell, in pixels at scale 1.</param>
/// <param name="ColumnShift">The same for columns.</param>
internal readonly record struct SceneCell(int Garment, int Class, bool IsMirrored, int RowShift, int ColumnShift)
{
    public static SceneCell Empty { get; } = new(-1, -1, false, 0, 0);

    public bool IsEmpty => Garment < 0;
}
