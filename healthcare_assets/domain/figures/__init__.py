"""Charts with the numbers that they show, for the pages of the site and for what an asset's materialisation says.

Each is drawn from what is published already: no figure stands for 1 to 10 patients, and none names one.
"""
