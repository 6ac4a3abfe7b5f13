// The parts of echarts that the console's charts are made of. Its tooltips in HTML
// would set innerHTML, which Trusted Types refuse: they are drawn on the canvas.
import { BarChart, LineChart } from 'echarts/charts'
import { GridComponent, TooltipComponent } from 'echarts/components'
import { init, use } from 'echarts/core'
import { CanvasRenderer } from 'echarts/renderers'

use([BarChart, LineChart, GridComponent, TooltipComponent, CanvasRenderer])

export { init }
