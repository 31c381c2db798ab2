namespace MsResampler.Training.Passes;

/// <summary>A query of an image with the patches of its window.</summary>
/// <param name="FirstRow">The row of the first patch of the image.</param>
/// <param name="Token">The row of the token.</param>
/// <param name="KeyRow">The row of the projected query, which images may share.</param>
/// <param name="QueryRow">The row of the query on the query grid.</param>
/// <param name="QueryColumn">The column of the query on the query grid.</param>
/// <param name="ColumnCount">Columns of the window.</param>
/// <param name="Count">Patches of the window, row by row.</param>
/// <param name="Offsets">The distance of each patch from the first patch of the image, in floats.</param>
internal readonly record struct WindowQuery(int FirstRow, int Token, int KeyRow, int QueryRow, int QueryColumn,
    int ColumnCount, int Count, nint Offsets);
