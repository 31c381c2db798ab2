namespace MsResampler.Scenes;

/// <summary>A canvas with a grid of garments: some cells are empty, garments are shifted and some are mirrored, and
/// there are stray strokes and noise. A scene depends only on the set of garments, a seed and an index.</summary>
internal sealed class Scene
{
    /// <summary>The mean of the pixels of scenes, approximately.</summary>
    public const float Mean = 0.2f;

    /// <summary>The standard deviation of the pixels of scenes, approximately.</summary>
    public const float Deviation = 0.28f;

    private const int PaletteSize = 4;
    private const int MinEmptyCount = 3;
    private const int MaxEmptyCount = 6;
    private const int MaxShift = 1;
    private const int StrokeCount = 6;
    private const float NoiseDeviation = 0.08f;
    private const int ContentPurpose = 1;
    private const int PixelPurpose = 2;
    private const int QuestionPurpose = 3;

    private readonly SceneCell[] _cells = new SceneCell[SceneLayout.CellCount];
    private readonly GarmentSet _garments;
    private readonly ulong _seed;

    /// <summary>Draws a scene.</summary>
    /// <param name="garments">The garments.</param>
    /// <param name="seed">The seed of the sequence of scenes.</param>
    /// <param name="index">The index in the sequence.</param>
    public Scene(GarmentSet garments, ulong seed, long index)
    {
        _garments = garments;
        _seed = seed;
        Index = index;
        SceneRandom random = new(seed, index, ContentPurpose);
        Palette = DrawPalette(ref random);
        do
        {
            DrawCells(ref random);
        }
        while (!IsAnswerable());
    }

    public long Index { get; }

    /// <summary>The classes that the scene is drawn from. One or more are shoes.</summary>
    public IReadOnlyList<int> Palette { get; }

    /// <summary>The cells, row-major.</summary>
    public IReadOnlyList<SceneCell> Cells => _cells;

    /// <summary>The number of garments of each class.</summary>
    public int[] CountClasses(Func<int, bool>? isCounted = null)
    {
        int[] counts = new int[GarmentSet.ClassCount];
        for (int cell = 0; cell < _cells.Length; cell++)
        {
            if (!_cells[cell].IsEmpty && (isCounted is null || isCounted(cell)))
                counts[_cells[cell].Class]++;
        }

        return counts;
    }

    /// <summary>Random numbers for the questions of this scene.</summary>
    public SceneRandom QuestionRandom() => new(_seed, Index, QuestionPurpose);

    /// <summary>Draws the canvas, row-major: 0 is black, 1 is white.</summary>
    /// <param name="scale">1 for half the resolution of a garment, 2 for its full resolution.</param>
    /// <param name="canvas">Receives the pixels.</param>
    public void Draw(int scale, Span<float> canvas)
    {
        int side = SceneLayout.CanvasSide(scale);
        canvas = canvas[..(side * side)];
        canvas.Clear();
        SceneRandom random = new(_seed, Index, PixelPurpose);
        for (int stroke = 0; stroke < StrokeCount; stroke++)
            DrawStroke(ref random, scale, canvas, side);
        for (int cell = 0; cell < _cells.Length; cell++)
        {
            if (!_cells[cell].IsEmpty)
                DrawGarment(cell, scale, canvas, side);
        }

        for (int index = 0; index < canvas.Length; index++)
            canvas[index] = Math.Clamp(canvas[index] + (NoiseDeviation * random.Normal()), 0, 1);
    }

    /// <summary>The features of the scene: its patches, [H·W, C] row-major; a patch is row-major too.</summary>
    /// <param name="scale">1 or 2.</param>
    /// <param name="canvas">Memory for the pixels.</param>
    /// <param name="features">Receives the features: pixels with mean 0 and variance 1, approximately.</param>
    public void Features(int scale, Span<float> canvas, Span<float> features)
    {
        Draw(scale, canvas);
        ToPatches(scale, canvas, features);
    }

    /// <summary>The patches of a canvas.</summary>
    public static void ToPatches(int scale, ReadOnlySpan<float> canvas, Span<float> features)
    {
        int side = SceneLayout.CanvasSide(scale);
        int patches = side / SceneLayout.PatchSide;
        for (int row = 0; row < side; row++)
        {
            for (int column = 0; column < side; column++)
            {
                int patch = (row / SceneLayout.PatchSide * patches) + (column / SceneLayout.PatchSide);
                int pixel = (row % SceneLayout.PatchSide * SceneLayout.PatchSide) + (column % SceneLayout.PatchSide);
                features[(patch * SceneLayout.FeatureSize) + pixel] =
                    (canvas[(row * side) + column] - Mean) / Deviation;
            }
        }
    }

    // One shoe, so that the question about mirrored garments has an answer, and other classes.
    private static int[] DrawPalette(ref SceneRandom random)
    {
        int[] shoes = [.. Enumerable.Range(0, GarmentSet.ClassCount).Where(GarmentSet.IsShoe)];
        int shoe = shoes[random.Below(shoes.Length)];
        int[] others = [.. Enumerable.Range(0, GarmentSet.ClassCount).Where(other => other != shoe)];
        random.Shuffle(others.AsSpan());
        return [shoe, .. others.Take(PaletteSize - 1)];
    }

    private void DrawCells(ref SceneRandom random)
    {
        int[] order = [.. Enumerable.Range(0, _cells.Length)];
        random.Shuffle(order.AsSpan());
        int emptyCount = random.Between(MinEmptyCount, MaxEmptyCount);
        for (int index = 0; index < order.Length; index++)
        {
            if (index < emptyCount)
            {
                _cells[order[index]] = SceneCell.Empty;
                continue;
            }

            int garmentClass = Palette[random.Below(Palette.Count)];
            int garment;
            do
            {
                garment = random.Below(_garments.Count);
            }
            while (_garments.ClassOf(garment) != garmentClass);
            _cells[order[index]] = new SceneCell(garment, garmentClass, random.Coin(),
                random.Between(-MaxShift, MaxShift), random.Between(-MaxShift, MaxShift));
        }
    }

    /// <summary>Whether every kind of question has an answer: one class is the most frequent, there is a shoe, and
    /// there are two cells of the same class and two of different ones.</summary>
    private bool IsAnswerable()
    {
        int[] counts = CountClasses();
        int highest = counts.Max();
        return highest >= 2 && counts.Count(count => count == highest) == 1 && counts.Count(count => count > 0) >= 2
            && _cells.Any(cell => !cell.IsEmpty && GarmentSet.IsShoe(cell.Class));
    }

    private void DrawGarment(int index, int scale, Span<float> canvas, int canvasSide)
    {
        SceneCell cell = _cells[index];
        ReadOnlySpan<byte> pixels = _garments.Pixels(cell.Garment);
        int block = 2 / scale;
        int side = GarmentSet.Side / block;
        int margin = ((SceneLayout.CellSide * scale) - side) / 2;
        int top = (index / SceneLayout.CellsPerSide * SceneLayout.CellSide * scale) + margin + (cell.RowShift * scale);
        int left = (index % SceneLayout.CellsPerSide * SceneLayout.CellSide * scale) + margin
            + (cell.ColumnShift * scale);
        for (int row = 0; row < side; row++)
        {
            for (int column = 0; column < side; column++)
            {
                int sum = 0;
                for (int r = 0; r < block; r++)
                {
                    for (int c = 0; c < block; c++)
                        sum += pixels[(((row * block) + r) * GarmentSet.Side) + (column * block) + c];
                }

                int target = cell.IsMirrored ? side - 1 - column : column;
                ref float pixel = ref canvas[((top + row) * canvasSide) + left + target];
                pixel = Math.Max(pixel, sum / (255f * block * block));
            }
        }
    }

    // A short straight line, one pixel wide at scale 1.
    private static void DrawStroke(ref SceneRandom random, int scale, Span<float> canvas, int canvasSide)
    {
        float row = random.Unit() * canvasSide;
        float column = random.Unit() * canvasSide;
        float rowStep = (2 * random.Unit()) - 1;
        float columnStep = (2 * random.Unit()) - 1;
        float value = 0.3f + (0.6f * random.Unit());
        int length = random.Between(4, 10) * scale;
        for (int step = 0; step < length; step++)
        {
            for (int r = 0; r < scale; r++)
            {
                for (int c = 0; c < scale; c++)
                {
                    int y = (int)row + r;
                    int x = (int)column + c;
                    if (y >= 0 && y < canvasSide && x >= 0 && x < canvasSide)
                        canvas[(y * canvasSide) + x] = value;
                }
            }

            row += rowStep;
            column += columnStep;
        }
    }
}
